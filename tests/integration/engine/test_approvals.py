"""Tool calls that wait for a person: what is decided counts once, for exactly what was shown, and nothing else runs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.application.runs import SendMessage
from server.application.tool_answers import ToolDecision
from server.domain.conversation import InterruptPolicy
from server.domain.errors import RunNotFound
from server.domain.events import (
    ApprovalExpiring,
    MessageCompleted,
    RunPaused,
    RunResumed,
    ToolCallDecided,
    ToolCallEnded,
    ToolCallRequested,
    ToolCallStarted,
)
from server.domain.ids import ToolCallId
from server.domain.message import Role, Usage
from server.domain.run import Run, RunState
from server.domain.tool import Approval, ApprovalState, Decision, ToolCallState, ToolPolicy
from server.domain.tool_call_errors import ToolCallAlreadyDecided, ToolCallNotFound
from server.engine.expiry import Expiry
from tests.support.house import ANNA, QUICK, House
from tests.support.invariants import check_invariants
from tests.support.mcp.actions import execute, notify, reply
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.scripted_provider import ScriptedProvider, usage
from tests.support.set_clock import SetClock
from tests.support.tool_talk import (
    calls,
    history,
    ledger,
    open_talk,
    paused,
    results,
    states,
    told,
    tool_house,
    waiting,
)


@pytest.fixture
def clock() -> SetClock:
    """The house's clock."""
    return SetClock()


@pytest.fixture
def mcp(tmp_path: Path) -> ScriptedMcp:
    """A server whose tool is called once a person has said yes."""
    server = ScriptedMcp(tmp_path / "mcp")
    server.tool("pay", execute(), reply("paid"))
    return server


@pytest.fixture
async def house(tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp, clock: SetClock) -> AsyncIterator[House]:
    """A house whose thread `talk` has that server."""
    async with tool_house(tmp_path, provider, mcp.config("bank"), clock=clock) as opened:
        yield opened
    check_invariants(tmp_path / "house.db", settled=False)


def yes(*call_ids: ToolCallId) -> list[ToolDecision]:
    return [ToolDecision(call_id, approved=True) for call_id in call_ids]


def no(call_id: ToolCallId, reason: str | None = None) -> list[ToolDecision]:
    return [ToolDecision(call_id, approved=False, reason=reason)]


async def approvals(house: House, run: Run) -> list[Approval]:
    """The newest request of each call."""
    found = []
    for call in await ledger(house, run):
        approval = await house.store.read(run.owner, lambda tx, call=call: tx.approvals.current(call.id))  # type: ignore[misc]
        found += [approval] if approval else []
    return found


async def asked(house: House, *amounts: int, after: str = "Done.") -> tuple[Run, list[ToolCallId]]:
    """A run that waits for so many approvals."""
    house.provider.script("Let me pay.", calls(*[("bank__pay", {"n": amount}) for amount in amounts]), usage(10, 5))
    house.provider.script(after, usage(20, 2))
    run = await house.send("Pay")
    return run, await waiting(house, run)


async def test_an_approved_call_is_made_once_and_its_run_goes_on(house: House, mcp: ScriptedMcp) -> None:
    run, (call,) = await asked(house, 1)
    assert mcp.calls() == []
    parked = await house.runs.get(ANNA.owner, run.id)
    assert (parked.state, parked.lease, parked.usage) == (RunState.AWAITING_APPROVAL, None, Usage(10, 5, 15))
    async with asyncio.timeout(10):  # a run that waits is nobody's: its task ends
        while house.engine._executions:  # noqa: ASYNC110
            await asyncio.sleep(0)
    answered = await house.approvals.decide(ANNA, "talk", yes(call))
    assert (answered.run.state, answered.run.epoch, answered.resumed) == (RunState.RUNNING, 2, True)
    ended = await house.ended(run)
    assert (ended.state, ended.usage) == (RunState.COMPLETED, Usage(30, 7, 37))
    (made,) = mcp.calls()
    assert (made.arguments, made.key) == ({"n": 1}, call)
    assert await states(house, run) == [ToolCallState.SUCCEEDED]
    (approval,) = await approvals(house, run)
    assert (approval.state, approval.decided_by, approval.run_id, approval.epoch) == (
        ApprovalState.USED,
        ANNA.user_id,
        run.id,
        1,
    )
    kinds = [type(event.payload) for event in await house.events(run)]
    around = kinds.index(ToolCallRequested)
    assert kinds[around : around + 7] == [
        *(ToolCallRequested, RunPaused, ToolCallDecided, RunResumed, ToolCallStarted, MessageCompleted, ToolCallEnded)
    ]


async def test_a_denial_and_its_reason_are_told_to_the_model(house: House, mcp: ScriptedMcp) -> None:
    run, (call,) = await asked(house, 1)
    impersonating = replace(ANNA, actor="boss")
    await house.approvals.decide(impersonating, "talk", no(call, "too dear"))
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert await results(house) == ["This tool call was not made: the user denied it. Reason: too dear"]
    assert mcp.calls() == []
    (decided,) = await told(house, run, ToolCallDecided)
    assert decided == ToolCallDecided(call, Decision.DENIED, "too dear", impersonating.user_id)
    assert house.provider.requests[1].messages[-1].role is Role.TOOL


async def test_what_is_approved_runs_while_the_others_wait(house: House, mcp: ScriptedMcp) -> None:
    run, (first, second, third) = await asked(house, 1, 2, 3)
    answered = await house.approvals.decide(ANNA, "talk", [*no(third), *yes(first)])
    assert [outcome.state for outcome in answered.outcomes] == [ToolCallState.DENIED, ToolCallState.READY]
    after = (await paused(house, run))[-1].sequence
    assert await waiting(house, run, after=after) == [second]
    assert [call.key for call in mcp.calls()] == [first]
    assert (await house.runs.get(ANNA.owner, run.id)).state is RunState.AWAITING_APPROVAL
    await house.approvals.decide(ANNA, "talk", yes(second))
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert [call.key for call in mcp.calls()] == [first, second]
    assert len(house.provider.requests) == 2


async def test_two_decisions_at_once_are_one(house: House, mcp: ScriptedMcp) -> None:
    run, (call,) = await asked(house, 1)
    said = [yes(call), no(call), yes(call), no(call)]
    outcomes = await asyncio.gather(
        *(house.approvals.decide(ANNA, "talk", each) for each in said), return_exceptions=True
    )
    won = [place for place, outcome in enumerate(outcomes) if not isinstance(outcome, BaseException)]
    assert len(won) == 1
    assert sum(isinstance(outcome, ToolCallAlreadyDecided) for outcome in outcomes) == 3
    await house.ended(run)
    assert len(mcp.calls()) == (won[0] in {0, 2})


async def test_nothing_of_a_batch_counts_when_one_of_it_cannot(house: House, mcp: ScriptedMcp) -> None:
    run, (first, second) = await asked(house, 1, 2)
    with pytest.raises(ToolCallNotFound):
        await house.approvals.decide(ANNA, "talk", [*yes(first), *yes(ToolCallId("call_none"))])
    await house.approvals.decide(ANNA, "talk", no(second))
    with pytest.raises(ToolCallAlreadyDecided):
        await house.approvals.decide(ANNA, "talk", [*yes(first), *yes(second)])
    assert [each.call.id for each in await house.approvals.pending(ANNA.owner, "talk")] == [first]
    assert mcp.calls() == []
    await house.approvals.decide(ANNA, "talk", yes(first))
    await house.ended(run)


async def test_nobody_decides_in_time(house: House, mcp: ScriptedMcp, clock: SetClock) -> None:
    """Expiry is told as such, not as a denial; an hour before there is a warning, once."""
    run, (call,) = await asked(house, 1)
    clock.ahead = timedelta(hours=23, minutes=1)
    async for event in house.streams.run(ANNA.owner, run.id, after=0):
        if event is not None and isinstance(getattr(event, "payload", None), ApprovalExpiring):
            break
    assert [each.call.warned for each in await house.approvals.pending(ANNA.owner, "talk")] == [True]
    clock.ahead = timedelta(hours=24, minutes=1)
    assert (await house.ended(run)).state is RunState.COMPLETED
    (text,) = await results(house)
    assert "nobody decided in time" in text
    assert "no denial" in text
    assert await states(house, run) == [ToolCallState.EXPIRED]
    assert len(await told(house, run, ApprovalExpiring)) == 1
    (decided,) = await told(house, run, ToolCallDecided)
    assert decided == ToolCallDecided(call, Decision.EXPIRED)
    with pytest.raises(ToolCallAlreadyDecided):
        await house.approvals.decide(ANNA, "talk", yes(call))
    assert mcp.calls() == []


async def test_a_short_time_to_decide_is_warned_of_however_seldom_somebody_looks(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp, clock: SetClock
) -> None:
    seldom = replace(
        QUICK,
        lease=timedelta(hours=1),
        lease_heartbeat=timedelta(minutes=10),
        approval_lifetime=timedelta(minutes=30),
    )
    async with tool_house(tmp_path, provider, mcp.config("bank"), clock=clock, limits=seldom) as house:
        run, _ = await asked(house, 1)
        expiry = Expiry(store=house.store, clock=clock, limits=seldom, worker=house.engine)
        for minutes, is_warned in ((5, False), (15, True)):
            clock.ahead = timedelta(minutes=minutes)
            await expiry.look()
            assert [each.call.warned for each in await house.approvals.pending(ANNA.owner, "talk")] == [is_warned]
        await house.runs.cancel(ANNA, run.id)


async def test_a_decision_that_comes_too_late_does_not_count_though_nobody_took_note(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp, clock: SetClock
) -> None:
    seldom = replace(QUICK, lease=timedelta(hours=1), lease_heartbeat=timedelta(minutes=20))
    async with tool_house(tmp_path, provider, mcp.config("bank"), clock=clock, limits=seldom) as house:
        _, (call,) = await asked(house, 1)
        clock.ahead = timedelta(hours=25)
        with pytest.raises(ToolCallAlreadyDecided, match="EXPIRED"):
            await house.approvals.decide(ANNA, "talk", yes(call))


@pytest.mark.parametrize("end", ["interrupt", "cancel"])
async def test_ending_a_run_that_waits_closes_its_calls(house: House, mcp: ScriptedMcp, end: str) -> None:
    run, (call, _) = await asked(house, 1, 2)
    follower = None
    if end == "interrupt":
        follower = await house.runs.send(ANNA, SendMessage("talk", "Stop", interrupt_policy=InterruptPolicy.INTERRUPT))
    else:
        await house.runs.cancel(ANNA, run.id)
    ended = await house.ended(run)
    assert ended.state is (RunState.INTERRUPTED if follower else RunState.CANCELLED)
    assert await states(house, run) == [ToolCallState.CLOSED] * 2
    assert [approval.state for approval in await approvals(house, run)] == [ApprovalState.VOID] * 2
    assert all("was ended before" in text for text in await results(house))
    with pytest.raises(ToolCallAlreadyDecided, match="CLOSED"):
        await house.approvals.decide(ANNA, "talk", yes(call))
    assert mcp.calls() == []
    follower = follower or await house.send("Go on")
    assert (await house.ended(follower)).state is RunState.COMPLETED
    roles = [message.role for message in house.provider.requests[1].messages]
    assert roles == [Role.USER, Role.ASSISTANT, Role.TOOL, Role.TOOL, Role.USER]


async def test_a_message_waits_behind_a_run_that_waits_and_follows_it(house: House, mcp: ScriptedMcp) -> None:
    run, (call,) = await asked(house, 1)
    house.provider.script("And hello")
    waits = await house.send("Hi")
    assert waits.state is RunState.QUEUED
    await house.approvals.decide(ANNA, "talk", yes(call))
    assert (await house.ended(waits)).state is RunState.COMPLETED
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert [message.content for message in await history(house)][-2:] == ["Hi", "And hello"]


async def test_a_thread_is_deleted_while_its_run_waits(house: House) -> None:
    run, (call,) = await asked(house, 1)
    await house.threads.delete(ANNA, "talk")
    with pytest.raises(RunNotFound):
        await house.runs.get(ANNA.owner, run.id)
    await open_talk(house, "talk", "bank")
    with pytest.raises(ToolCallNotFound):
        await house.approvals.decide(ANNA, "talk", yes(call))


async def test_a_tool_that_changed_since_it_was_approved_is_asked_for_again(house: House, mcp: ScriptedMcp) -> None:
    """The approval is void; what is called is what the second one was shown."""
    run, (call,) = await asked(house, 1)
    (before,) = await approvals(house, run)
    mcp.tool("pay", execute(), reply("paid"), description="Now pays everything.")
    mcp.tool("tell", notify("notifications/tools/list_changed"), reply("told"))
    (tool, *_) = [each for each in await house.servers.tools("acme", "bank") if each.tool == "pay"]
    await house.servers.call(replace(tool, tool="tell"), {}, key="k")
    async with asyncio.timeout(20):
        while (await house.servers.tools("acme", "bank"))[0].spec.description == "":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await house.approvals.decide(ANNA, "talk", yes(call))
    after = (await paused(house, run))[-1].sequence
    assert await waiting(house, run, after=after) == [call]
    assert mcp.calls() == []
    (again,) = await approvals(house, run)
    assert again.id != before.id
    assert again.definition_digest != before.definition_digest
    await house.approvals.decide(ANNA, "talk", yes(call))
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert [made.key for made in mcp.calls()] == [call]
    assert len(await told(house, run, ToolCallRequested)) == 2


@pytest.mark.parametrize("policy", [ToolPolicy.DENY, ToolPolicy.AUTO])
async def test_the_policy_of_the_moment_counts_when_a_call_is_made(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp, policy: ToolPolicy
) -> None:
    async with tool_house(tmp_path, provider, mcp.config("bank")) as house:
        run, (call,) = await asked(house, 1)
    async with tool_house(tmp_path, provider, mcp.config("bank", policy=policy)) as house:
        await house.approvals.decide(ANNA, "talk", yes(call))
        assert (await house.ended(run)).state is RunState.COMPLETED
        (text,) = await results(house)
    assert text == ("paid" if policy is ToolPolicy.AUTO else FORBIDDEN_TEXT)
    assert len(mcp.calls()) == (policy is ToolPolicy.AUTO)
    check_invariants(tmp_path / "house.db")


FORBIDDEN_TEXT = "This tool call was not made: the operator of this service does not permit this tool."


async def test_a_server_that_is_gone_when_its_call_was_approved_is_told_to_the_model(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    async with tool_house(tmp_path, provider, mcp.config("bank")) as house:
        run, (call,) = await asked(house, 1)
    async with tool_house(tmp_path, provider) as house:
        await house.approvals.decide(ANNA, "talk", yes(call))
        assert (await house.ended(run)).state is RunState.COMPLETED
        assert "not there any more" in (await results(house))[0]
    check_invariants(tmp_path / "house.db")


async def test_a_decision_on_another_node_lets_the_run_go_on_there(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    elsewhere = ScriptedProvider()
    elsewhere.script("Done elsewhere")
    async with (
        tool_house(tmp_path, provider, mcp.config("bank")) as house,
        tool_house(tmp_path, elsewhere, mcp.config("bank")) as other,
    ):
        run, (call,) = await asked(house, 1)
        await other.approvals.decide(ANNA, "talk", yes(call))
        assert (await other.ended(run)).state is RunState.COMPLETED
        assert (await history(house))[-1].content == "Done elsewhere"
    assert len(mcp.calls()) == 1


async def test_waiting_costs_no_attempts(house: House, mcp: ScriptedMcp) -> None:
    """Three attempts are for each step: a run that waited five times is not given up."""
    for amount in range(5):
        house.provider.script(calls(("bank__pay", {"n": amount})))
    house.provider.script("Enough")
    run, after = await house.send("Pay"), 0
    for _ in range(5):
        (call,) = await waiting(house, run, after=after)
        after = (await paused(house, run, after=after))[-1].sequence
        await house.approvals.decide(ANNA, "talk", yes(call))
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert (await house.runs.get(ANNA.owner, run.id)).epoch == 6
    assert len(mcp.calls()) == 5


async def test_one_thousand_races_of_two_approvals_execute_once_each(tmp_path: Path, mcp: ScriptedMcp) -> None:
    """Ten runs at a time with a hundred calls each; every call is approved twice at the same moment."""
    provider = ScriptedProvider()
    limits = replace(QUICK, tool_calls_at_once=32, lease=timedelta(seconds=30), lease_heartbeat=timedelta(seconds=5))
    async with tool_house(tmp_path, provider, mcp.config("bank", max_parallel=32), limits=limits) as house:
        keys = [f"talk {number}" for number in range(10)]
        runs = []
        for key in keys:
            await open_talk(house, key, "bank")
            provider.script(calls(*[("bank__pay", {"n": amount}) for amount in range(100)]))
            runs.append(await house.send("Pay", to=key))
            await paused(house, runs[-1])
        for _ in keys:
            provider.script("Done")
        pending = [(key, each.call.id) for key in keys for each in await house.approvals.pending(ANNA.owner, key)]
        lost = 0

        async def race(key: str, call: ToolCallId) -> None:
            nonlocal lost
            both = [house.approvals.decide(ANNA, key, yes(call)) for _ in range(2)]
            outcomes = await asyncio.gather(*both, return_exceptions=True)
            lost += sum(isinstance(outcome, ToolCallAlreadyDecided) for outcome in outcomes)

        await asyncio.gather(*(race(key, call) for key, call in pending))
        assert (len(pending), lost) == (1000, 1000)
        for run in runs:
            assert (await house.ended(run)).state is RunState.COMPLETED
    keys_made = [call.key for call in mcp.calls()]
    assert len(keys_made) == len(set(keys_made)) == 1000
    check_invariants(tmp_path / "house.db")
