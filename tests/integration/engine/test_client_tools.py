"""Tools that the client executes: the run waits for the results, and for nothing else."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from server.application.revisions import Edit
from server.application.runs import SendMessage
from server.application.threads import SettingsChange
from server.application.tool_answers import ClientResult, ToolDecision
from server.domain.errors import InvalidField
from server.domain.events import RunPaused, ToolCallRequested
from server.domain.ids import ToolCallId
from server.domain.run import RunOptions, RunState
from server.domain.tool import ToolCallState, ToolPolicy, ToolSpec
from server.domain.tool_call_errors import ToolCallAlreadyEnded
from tests.support.house import ANNA, House
from tests.support.invariants import check_invariants
from tests.support.mcp.actions import execute, reply
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.scripted_provider import ScriptedProvider
from tests.support.set_clock import SetClock
from tests.support.tool_talk import NUMBERS, calls, paused, results, spec, states, told, tool_house, waiting

BEEP = spec("beep", "Makes a noise.", NUMBERS)


@pytest.fixture
def clock() -> SetClock:
    """The house's clock."""
    return SetClock()


@pytest.fixture
async def house(tmp_path: Path, provider: ScriptedProvider, clock: SetClock) -> AsyncIterator[House]:
    """A house whose thread `talk` has a tool of the client."""
    async with tool_house(tmp_path, provider, client_tools=(BEEP,), clock=clock) as opened:
        yield opened
    check_invariants(tmp_path / "house.db", settled=False)


async def test_the_result_is_told_to_the_model(house: House) -> None:
    house.provider.script("Listen:", calls(("beep", {"n": 2})))
    house.provider.script("Heard?")
    run = await house.send("Beep twice")
    (call,) = await waiting(house, run)
    assert (await house.runs.get(ANNA.owner, run.id)).state is RunState.AWAITING_CLIENT_TOOLS
    answered = await house.approvals.submit(ANNA, "talk", [ClientResult(call, '{"status": "confirmed"}')])
    assert [outcome.state for outcome in answered.outcomes] == [ToolCallState.SUCCEEDED]
    assert answered.run.state is RunState.RUNNING
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert await results(house) == ['{"status": "confirmed"}']
    assert house.provider.requests[1].messages[-1].content == '{"status": "confirmed"}'


async def test_a_client_may_say_that_its_tool_failed(house: House) -> None:
    house.provider.script(calls(("beep", {"n": 2})))
    house.provider.script("A pity")
    run = await house.send("Beep")
    (call,) = await waiting(house, run)
    await house.approvals.submit(ANNA, "talk", [ClientResult(call, "no speaker", is_error=True)])
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert await results(house) == ["The tool reported an error: no speaker"]
    assert await states(house, run) == [ToolCallState.FAILED]


async def test_arguments_that_miss_the_schema_do_not_reach_the_client(house: House) -> None:
    house.provider.script(calls(("beep", {"n": "two"})))
    house.provider.script("I see")
    run = await house.send("Beep")
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert await states(house, run) == [ToolCallState.REFUSED]
    assert await told(house, run, RunPaused) == []


async def test_a_client_that_does_not_answer_in_time(house: House, clock: SetClock) -> None:
    house.provider.script(calls(("beep", {"n": 2})))
    house.provider.script("Nobody there")
    run = await house.send("Beep")
    (call,) = await waiting(house, run)
    clock.ahead = timedelta(hours=25)
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert await states(house, run) == [ToolCallState.EXPIRED]
    assert "no result" in (await results(house))[0]
    with pytest.raises(ToolCallAlreadyEnded, match="EXPIRED"):
        await house.approvals.submit(ANNA, "talk", [ClientResult(call, "late")])


async def test_cancelling_closes_what_the_client_was_asked(house: House) -> None:
    house.provider.script(calls(("beep", {"n": 2})))
    run = await house.send("Beep")
    (call,) = await waiting(house, run)
    await house.runs.cancel(ANNA, run.id)
    assert await states(house, run) == [ToolCallState.CLOSED]
    with pytest.raises(ToolCallAlreadyEnded, match="CLOSED"):
        await house.approvals.submit(ANNA, "talk", [ClientResult(call, "late")])


async def test_a_tool_of_a_message_is_there_for_its_edits_too(house: House) -> None:
    house.provider.script(calls(("wave", {})))
    options = RunOptions(client_tools=(spec("wave"),))
    run = await house.runs.send(ANNA, SendMessage("talk", "Wave", options=options))
    await waiting(house, run)
    await house.runs.cancel(ANNA, run.id)
    house.provider.script("Hello")
    edit = SendMessage("talk", "Wave again", revision=Edit(run.user_message_id))
    await house.ended(await house.runs.send(ANNA, edit))
    assert [tool.name for tool in house.provider.requests[1].tools] == ["wave", "beep"]


async def test_the_same_request_with_other_tools_is_another_request(house: House) -> None:
    one, other = (
        SendMessage("talk", "Wave", options=RunOptions(client_tools=(spec("wave", description),)))
        for description in ("once", "twice")
    )
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint != SendMessage("talk", "Wave").fingerprint


async def test_a_round_of_everything(tmp_path: Path, provider: ScriptedProvider) -> None:
    """One call runs by itself, one waits for a person, one for the client, one is refused; each has its own result."""
    free, bank = ScriptedMcp(tmp_path / "free"), ScriptedMcp(tmp_path / "bank")
    free.tool("look", execute(), reply("seen"))
    bank.tool("pay", execute(), reply("paid"))
    configs = [free.config("free", policy=ToolPolicy.AUTO), bank.config("bank")]
    async with tool_house(tmp_path, provider, *configs, client_tools=(BEEP,)) as house:
        provider.script(calls(("bank__pay", {}), ("beep", {"n": 1}), ("free__look", {}), ("nothing", {})))
        provider.script("All done")
        run = await house.send("Do it all")
        pay, beep = await waiting(house, run)
        assert (await house.runs.get(ANNA.owner, run.id)).state is RunState.AWAITING_APPROVAL
        assert len(free.calls()) == 1
        after = (await paused(house, run))[-1].sequence
        await house.approvals.decide(ANNA, "talk", [ToolDecision(pay, approved=True)])
        (again,) = [event for event in await paused(house, run, after=after) if isinstance(event.payload, RunPaused)]
        assert isinstance(again.payload, RunPaused)
        assert again.payload.state is RunState.AWAITING_CLIENT_TOOLS
        await house.approvals.submit(ANNA, "talk", [ClientResult(beep, "beeped")])
        assert (await house.ended(run)).state is RunState.COMPLETED
        by_name = dict(zip(["pay", "beep", "look", "nothing"], await states(house, run), strict=True))
        assert by_name == {
            "pay": ToolCallState.SUCCEEDED,
            "beep": ToolCallState.SUCCEEDED,
            "look": ToolCallState.SUCCEEDED,
            "nothing": ToolCallState.REFUSED,
        }
        assert sorted(await results(house))[:3] == [
            "This tool call was not made: there is no tool called 'nothing'. Ask only for the tools that are offered.",
            "beeped",
            "paid",
        ]
        assert len(await told(house, run, ToolCallRequested)) == 4
    check_invariants(tmp_path / "house.db")


async def test_a_denial_leaves_the_run_to_the_client(tmp_path: Path, provider: ScriptedProvider) -> None:
    """A run that waited for both is shown to wait for the client alone, without being begun for nothing."""
    bank = ScriptedMcp(tmp_path / "bank")
    bank.tool("pay")
    async with tool_house(tmp_path, provider, bank.config("bank"), client_tools=(BEEP,)) as house:
        provider.script(calls(("bank__pay", {}), ("beep", {"n": 1})))
        run = await house.send("Both")
        pay, _ = await waiting(house, run)
        answered = await house.approvals.decide(ANNA, "talk", [ToolDecision(pay, approved=False)])
        assert (answered.run.state, answered.resumed) == (RunState.AWAITING_CLIENT_TOOLS, False)
        assert (await house.runs.get(ANNA.owner, run.id)).epoch == 1
    check_invariants(tmp_path / "house.db", settled=False)


@pytest.mark.parametrize("schema", ['{"type":"string"}', '{"type":"object","required":7}', '{"$ref":"http://x/y"}'])
async def test_a_schema_that_is_none_is_refused(house: House, schema: str) -> None:
    with pytest.raises(InvalidField):
        await house.threads.configure_settings(ANNA, "talk", SettingsChange(client_tools=(ToolSpec("a", "", schema),)))
    with pytest.raises(InvalidField):
        await house.runs.send(
            ANNA, SendMessage("talk", "Hi", options=RunOptions(client_tools=(ToolSpec("a", "", schema),)))
        )


async def test_nobody_answers_for_a_call_of_another_kind(house: House) -> None:
    house.provider.script(calls(("beep", {"n": 2})))
    run = await house.send("Beep")
    (call,) = await waiting(house, run)
    with pytest.raises(InvalidField):
        await house.approvals.decide(ANNA, "talk", [ToolDecision(ToolCallId(call), approved=True)])
