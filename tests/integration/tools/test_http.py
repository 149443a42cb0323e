"""A tool server over streamable HTTP: the address is checked at every connection, and a failure costs one call."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from server.adapters.tools.server_config import HttpEndpoint
from server.ports.tools import ToolNotCalled, ToolOutcomeUnknown, ToolServerUnavailable
from tests.integration.tools.conftest import TENANT, Opener, tool_of
from tests.support.mcp.actions import ask, execute, hang, leave, notify, raw, reply, swap
from tests.support.mcp.http_server import ScriptedHttp
from tests.support.mcp.scripted import ScriptedMcp


@pytest.fixture
async def served(mcp: ScriptedMcp) -> AsyncIterator[ScriptedHttp]:
    async with mcp.over_http() as served:
        yield served


@pytest.fixture(params=[False, True], ids=["streams", "json"])
def form(request: pytest.FixtureRequest, mcp: ScriptedMcp) -> None:
    mcp.change(json=request.param)


@pytest.mark.usefixtures("form")
async def test_tools_are_listed_and_called(mcp: ScriptedMcp, served: ScriptedHttp, opener: Opener) -> None:
    mcp.tool("pay")
    servers = await opener.open(mcp.http_config(served))
    told = await servers.call(await tool_of(servers, "pay"), {"cents": 100}, key="call_1")
    assert told.content == "done"
    (call,) = mcp.calls()
    assert (call.arguments, call.key) == ({"cents": 100}, "call_1")


async def test_only_the_operators_headers_go_with_the_requests(
    mcp: ScriptedMcp, served: ScriptedHttp, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    mcp.tool("a")
    endpoint = HttpEndpoint(served.url, {"Authorization": "Bearer of-the-operator"}, allow_private_addresses=True)
    servers = await opener.open(mcp.config(endpoint=endpoint))
    await servers.call(await tool_of(servers, "a"), {}, key="k")
    for _, headers in served.requests:
        assert headers["authorization"] == "Bearer of-the-operator"
        assert headers["accept-encoding"] == "identity"
        assert headers["host"] == f"127.0.0.1:{served.port}"
        assert not {"x-api-key", "cookie", "x-on-behalf-of"} & headers.keys()


async def test_what_is_said_within_a_stream_is_taken_as_over_stdio(
    mcp: ScriptedMcp, served: ScriptedHttp, opener: Opener
) -> None:
    changed = notify("notifications/tools/list_changed")
    mcp.tool(
        "a", notify("notifications/message", times=50, level="info", data="x"), changed, ask("roots/list"), reply()
    )
    for name in ("x", "y"):
        mcp.tool(name, swap(), reply(name))
    servers = await opener.open(mcp.http_config(served))
    await servers.call(await tool_of(servers, "a"), {}, key="k")
    await mcp.until_answered(1)
    assert "error" in mcp.answers()[0]
    both = [await tool_of(servers, name) for name in ("x", "y")]
    assert len(mcp.received("tools/list")) == 2
    told = await asyncio.gather(*(servers.call(tool, {}, key="k") for tool in both))
    assert [one.content for one in told] == ["x", "y"]


async def test_a_call_that_hangs_is_cancelled(mcp: ScriptedMcp, served: ScriptedHttp, opener: Opener) -> None:
    mcp.tool("hangs", execute(), hang())
    servers = await opener.open(mcp.http_config(served, call_timeout=timedelta(milliseconds=200)))
    with pytest.raises(ToolOutcomeUnknown, match="did not answer within"):
        await servers.call(await tool_of(servers, "hangs"), {}, key="k")
    await mcp.until_received("notifications/cancelled")


@pytest.mark.usefixtures("form")
async def test_a_connection_that_is_reset_in_a_call_costs_that_call_only(
    mcp: ScriptedMcp, served: ScriptedHttp, opener: Opener
) -> None:
    mcp.tool("dies", execute(), leave())
    mcp.tool("works")
    servers = await opener.open(mcp.http_config(served))
    works = await tool_of(servers, "works")
    with pytest.raises(ToolOutcomeUnknown, match="answer was lost"):
        await servers.call(await tool_of(servers, "dies"), {}, key="k")
    assert len(mcp.calls("dies")) == 1
    assert (await servers.call(works, {}, key="k")).content == "done"


async def test_a_stream_that_ends_without_an_answer_leaves_the_outcome_unknown(
    mcp: ScriptedMcp, served: ScriptedHttp, opener: Opener
) -> None:
    mcp.tool("silent", execute(), raw(": nothing\n\n"))
    servers = await opener.open(mcp.http_config(served))
    with pytest.raises(ToolOutcomeUnknown):
        await servers.call(await tool_of(servers, "silent"), {}, key="k")


@pytest.mark.usefixtures("form")
async def test_a_reply_that_is_too_long_is_not_kept(mcp: ScriptedMcp, served: ScriptedHttp, opener: Opener) -> None:
    mcp.tool("floods", execute(), reply("x" * (9 << 20)))
    mcp.tool("works")
    servers = await opener.open(mcp.http_config(served))
    with pytest.raises(ToolOutcomeUnknown):
        await servers.call(await tool_of(servers, "floods"), {}, key="k")
    assert (await servers.call(await tool_of(servers, "works"), {}, key="k")).content == "done"


async def test_a_server_that_is_gone_was_not_called_and_is_found_again(
    mcp: ScriptedMcp, served: ScriptedHttp, opener: Opener
) -> None:
    mcp.tool("a")
    servers = await opener.open(mcp.http_config(served))
    tool = await tool_of(servers, "a")
    await served.stop()
    with pytest.raises(ToolNotCalled, match="cannot be reached; nothing was called"):
        await servers.call(tool, {}, key="k")
    await served.start(served.port)
    assert (await servers.call(tool, {}, key="k")).content == "done"


async def test_a_server_that_forgot_the_session_is_greeted_anew(
    mcp: ScriptedMcp, served: ScriptedHttp, opener: Opener
) -> None:
    mcp.tool("a")
    servers = await opener.open(mcp.http_config(served))
    tool = await tool_of(servers, "a")
    session = served.sessions.pop()
    with pytest.raises(ToolNotCalled, match="has started anew; nothing was called"):
        await servers.call(tool, {}, key="k")
    served.sessions.append(session)
    assert (await servers.call(tool, {}, key="k")).content == "done"
    assert len(mcp.received("initialize")) == 2


async def test_a_private_address_is_refused_with_how_to_allow_it(
    mcp: ScriptedMcp, served: ScriptedHttp, opener: Opener
) -> None:
    servers = await opener.open(mcp.config(endpoint=HttpEndpoint(served.url)))
    with pytest.raises(ToolServerUnavailable, match=r"127\.0\.0\.1 has an address .* allow_private_addresses"):
        await servers.tools(TENANT, "scripted")
    assert served.requests == []


async def test_a_name_that_becomes_private_is_refused_at_the_next_connection(
    mcp: ScriptedMcp, served: ScriptedHttp, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding. The scripted server stands in for a public one: its address counts as public for this test, and
    what the name means later is loopback as ever."""
    monkeypatch.setattr("server.adapters.egress.addresses.is_public", lambda address: address == "127.0.0.1")
    answers = [["127.0.0.1"]] * 4 + [["127.0.0.2"]] * 100
    asked = []

    async def resolver(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return answers[len(asked) - 1]

    mcp.change(json=True)
    mcp.tool("a")
    endpoint = HttpEndpoint(f"http://rebound.example:{served.port}/mcp")
    servers = await opener.open(mcp.config(endpoint=endpoint), resolver=resolver)
    tool = await tool_of(servers, "a")
    assert {headers["host"] for _, headers in served.requests} == {f"rebound.example:{served.port}"}
    while len(asked) < 4:
        await servers.call(tool, {}, key="k")
    executed = len(mcp.calls())
    with pytest.raises(ToolNotCalled):
        await servers.call(tool, {}, key="k")
    assert len(mcp.calls()) == executed
    assert set(asked) == {("rebound.example", served.port)}


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest", "http://localhost:1/mcp", "/elsewhere"])
async def test_a_redirect_leads_to_no_other_server(
    mcp: ScriptedMcp, served: ScriptedHttp, opener: Opener, target: str
) -> None:
    mcp.change(redirect=target)
    servers = await opener.open(mcp.http_config(served))
    with pytest.raises(ToolServerUnavailable):
        await servers.tools(TENANT, "scripted")
    assert {headers["host"] for _, headers in served.requests} == {f"127.0.0.1:{served.port}"}
