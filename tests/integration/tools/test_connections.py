"""Starting, losing and finding a tool server again, over stdio."""

import asyncio
import json
import logging
import os
import signal
from datetime import timedelta

import pytest
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from server.adapters.tools.server_config import StdioEndpoint
from server.ports.tools import ToolNotCalled, ToolServerUnavailable
from tests.integration.tools.conftest import TENANT, Opener, tool_of
from tests.support.mcp.actions import environment, execute, leave, notify, reply
from tests.support.mcp.scripted import ROOT, ScriptedMcp


async def test_a_server_is_started_when_it_is_first_asked_and_once(mcp: ScriptedMcp, opener: Opener) -> None:
    mcp.tool("a")
    servers = await opener.open(mcp.config())
    assert mcp.started() == []
    await asyncio.gather(*(servers.tools(TENANT, "scripted") for _ in range(5)), servers.info(TENANT, "scripted"))
    assert len(mcp.started()) == 1
    assert len(mcp.received("tools/list")) == 1


async def test_what_a_server_says_of_itself_is_told(mcp: ScriptedMcp, opener: Opener) -> None:
    mcp.change(greeting={"instructions": "be kind", "serverInfo": {"name": "n", "title": "T", "version": "9"}})
    servers = await opener.open(mcp.config())
    info = await servers.info(TENANT, "scripted")
    assert (info.name, info.title, info.version, info.instructions) == ("scripted", "T", "9", "be kind")
    assert info.capabilities == {"tools": {"listChanged": True}}


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ({"start": {"exit": 3}}, "ended, cannot be reached, or refused"),
        ({"start": {"gate": "never"}}, "did not answer in time"),
        ({"unknown": ["initialize"]}, "ended, cannot be reached, or refused"),
        ({"greeting": {"protocolVersion": "1999-01-01"}}, "speaks a version of the protocol"),
        ({"greeting": {"capabilities": "all"}}, "answered the greeting with something that is no answer"),
    ],
)
async def test_a_server_that_does_not_come_up_is_unavailable_and_was_not_called(
    mcp: ScriptedMcp, opener: Opener, script: dict[str, object], cause: str
) -> None:
    mcp.tool("a")
    servers = await opener.open(mcp.config(connect_timeout=timedelta(seconds=2)))
    tool = await tool_of(servers, "a")
    await opener.close()
    mcp.change(**script)
    servers = await opener.open(mcp.config(connect_timeout=timedelta(seconds=2)))
    with pytest.raises(ToolServerUnavailable, match=f"{cause}.*go on without it or have its operator look at it") as e:
        await servers.tools(TENANT, "scripted")
    assert e.value.retry_after is not None
    with pytest.raises(ToolNotCalled):
        await servers.call(tool, {}, key="k")
    assert mcp.calls() == []


async def test_a_server_that_dies_again_and_again_is_left_alone_for_longer_and_longer(
    mcp: ScriptedMcp, opener: Opener
) -> None:
    mcp.change(start={"exit": 1})
    servers = await opener.open(mcp.config())
    told: list[str] = []
    while not any("is tried again in" in one for one in told):
        with pytest.raises(ToolServerUnavailable) as error:
            await servers.tools(TENANT, "scripted")
        told.append(error.value.message)
    begun = len(mcp.started())
    assert 2 <= begun <= 6
    for _ in range(20):
        with pytest.raises(ToolServerUnavailable, match="is down; it is tried again in"):
            await servers.tools(TENANT, "scripted")
    assert len(mcp.started()) == begun


async def test_a_server_that_hangs_while_it_starts_is_left_alone_as_long_as_it_hung(
    mcp: ScriptedMcp, opener: Opener
) -> None:
    mcp.change(start={"gate": "never"})
    servers = await opener.open(mcp.config(connect_timeout=timedelta(seconds=1.5)))
    with pytest.raises(ToolServerUnavailable, match="did not answer in time") as hung:
        await servers.tools(TENANT, "scripted")
    assert hung.value.retry_after is not None
    assert hung.value.retry_after >= timedelta(seconds=1.4)
    for _ in range(3):
        with pytest.raises(ToolServerUnavailable, match="is down; it is tried again in"):
            await servers.tools(TENANT, "scripted")
    assert len(mcp.started()) == 1


async def test_a_server_that_hangs_while_it_lists_its_tools_is_not_asked_again_at_once(
    mcp: ScriptedMcp, opener: Opener
) -> None:
    mcp.tool("changes", execute(), notify("notifications/tools/list_changed"), reply())
    servers = await opener.open(mcp.config(connect_timeout=timedelta(seconds=2)))
    tool = await tool_of(servers, "changes")
    await servers.call(tool, {}, key="k")
    (pid,) = mcp.started()
    os.kill(pid, signal.SIGSTOP)
    for _ in range(3):
        with pytest.raises(ToolServerUnavailable, match="does not list its tools"):
            await servers.tools(TENANT, "scripted")
    os.kill(pid, signal.SIGCONT)
    await servers.call(tool, {}, key="k")
    assert len(mcp.received("tools/list")) == 2


async def test_what_a_connection_logs_is_no_part_of_the_request_that_opened_it(
    mcp: ScriptedMcp, opener: Opener
) -> None:
    mcp.tool("a")
    servers = await opener.open(mcp.config())
    with bound_contextvars(request_id="somebody's"):
        await servers.tools(TENANT, "scripted")
    with capture_logs(processors=[merge_contextvars]) as logged:
        await opener.close()
    (closed,) = [event for event in logged if event["event"] == "tool_server_closed"]
    assert "request_id" not in closed


async def test_a_server_that_was_mended_is_found_again_with_its_new_tools(mcp: ScriptedMcp, opener: Opener) -> None:
    mcp.tool("old", execute(), leave())
    servers = await opener.open(mcp.config())
    old = await tool_of(servers, "old")
    mcp.tool("new")
    with pytest.raises(Exception, match="may or may not have run"):
        await servers.call(old, {}, key="k")
    assert {tool.tool for tool in await servers.tools(TENANT, "scripted")} == {"old", "new"}


async def test_nothing_of_the_services_environment_reaches_a_server_unless_it_is_named(
    mcp: ScriptedMcp, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PARLEY_KEY_PEPPER", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH"):
        monkeypatch.setenv(name, "a-secret")
    mcp.tool("env", environment())
    endpoint = StdioEndpoint(tuple(mcp.command), {"GIVEN": "1"}, ROOT)
    servers = await opener.open(mcp.config(endpoint=endpoint))
    told = await servers.call(await tool_of(servers, "env"), {}, key="k")
    seen = json.loads(told.content)
    assert seen["GIVEN"] == "1"
    # Python itself sets one in the locale that has no encoding.
    assert set(seen) - {"LC_CTYPE"} <= {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "GIVEN"}
    assert "a-secret" not in told.content


async def test_a_server_has_a_session_of_its_own(mcp: ScriptedMcp, opener: Opener) -> None:
    mcp.tool("a")
    servers = await opener.open(mcp.config())
    await servers.tools(TENANT, "scripted")
    (pid,) = mcp.started()
    assert os.getsid(pid) == pid
    assert os.getpgid(pid) == pid


async def test_the_log_holds_nothing_of_what_is_said(
    mcp: ScriptedMcp, opener: Opener, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    mcp.tool("a", execute(), reply("a-secret-answer"), description="a-secret-description")
    servers = await opener.open(mcp.config())
    await servers.call(await tool_of(servers, "a"), {"x": "a-secret-argument"}, key="k")
    await opener.close()
    printed = capsys.readouterr()
    assert "a-secret" not in caplog.text + printed.out + printed.err
    assert "tool_server_closed" in printed.out
