"""The ledger of tool calls: entries in the order in which they were asked for, and changes that apply to one state."""

from dataclasses import replace

import pytest

from server.domain.conversation import Conversation
from server.domain.errors import RunNotFound
from server.domain.ids import ConversationId, MessageId, RunId, ToolCallId
from server.domain.tool import OPEN_STATES, ToolCallState, ToolInvocation
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, asked, at, conversation, running, running_run, stored, tool_call


async def _get(store: Store, call: ToolInvocation) -> ToolInvocation | None:
    return await store.read(ALICE, lambda tx: tx.tool_calls.get(call.conversation_id, call.id))


async def _save(store: Store, call: ToolInvocation, expected: ToolCallState) -> bool:
    return await store.write(ALICE, lambda tx: tx.tool_calls.save(call, expected=expected))


async def test_what_is_added_comes_back_equal(store: Store) -> None:
    run = await running(store, epoch=7)
    plain = tool_call(run)
    full = tool_call(
        run,
        ordinal=1,
        state=ToolCallState.SUCCEEDED,
        arguments='{"text": "é\\u0000"}',
        is_repeatable=True,
        expires_at=at(60),
        warned=True,
        intent_epoch=7,
        intent_at=at(1),
        ended_at=at(2),
    )
    of_client = tool_call(run, ordinal=2, server=None, tool="", definition_digest="")
    await asked(store, plain, full, of_client)
    for call in (plain, full, of_client):
        assert await _get(store, call) == call


async def test_a_call_is_found_in_its_own_conversation_only(store: Store, talk: Conversation) -> None:
    run = await running(store)
    call = tool_call(run)
    await asked(store, call)

    async def unit(tx: Transaction) -> list[ToolInvocation | None]:
        return [
            await tx.tool_calls.get(talk.id, call.id),
            await tx.tool_calls.get(run.conversation_id, ToolCallId("none")),
        ]

    assert await store.read(ALICE, unit) == [None, None]


async def test_calls_are_of_a_run_that_is_stored_in_their_conversation(store: Store, talk: Conversation) -> None:
    run = await running(store)
    refused = [
        tool_call(run, run_id=RunId("run_none")),
        tool_call(run, conversation_id=talk.id),
        tool_call(run, conversation_id=ConversationId("none")),
    ]
    for call in refused:
        with pytest.raises(RunNotFound):
            await asked(store, tool_call(run), call)
    assert await store.read(ALICE, lambda tx: tx.tool_calls.open(run.id)) == []


async def test_no_calls_are_added_by_none(store: Store) -> None:
    run = await running(store)
    await asked(store)
    assert await store.read(ALICE, lambda tx: tx.tool_calls.open(run.id)) == []


async def test_open_calls_come_as_the_model_asked_for_them(store: Store) -> None:
    run = await running(store)
    early, late = MessageId("m1"), MessageId("m2")
    in_order = [
        tool_call(run, message_id=early, ordinal=0),
        tool_call(run, message_id=early, ordinal=1),
        tool_call(run, message_id=late, ordinal=0),
        tool_call(run, message_id=late, ordinal=2),
        tool_call(run, message_id=late, ordinal=10),
    ]
    await asked(store, *reversed(in_order))
    assert await store.read(ALICE, lambda tx: tx.tool_calls.open(run.id)) == in_order
    assert await store.read(ALICE, lambda tx: tx.tool_calls.of_conversation(run.conversation_id)) == in_order


async def test_a_call_is_open_until_it_has_a_result(store: Store) -> None:
    run, other = await running(store), await running(store)
    calls = [tool_call(run, ordinal=number, state=state) for number, state in enumerate(ToolCallState)]
    await asked(store, *calls)
    await asked(store, tool_call(other))
    still_open = [call for call in calls if call.state in OPEN_STATES]
    assert await store.read(ALICE, lambda tx: tx.tool_calls.open(run.id)) == still_open
    assert await store.read(ALICE, lambda tx: tx.tool_calls.of_conversation(run.conversation_id)) == still_open


async def test_calls_of_a_conversation_are_found_by_open_states(store: Store) -> None:
    run = await running(store)
    calls = [tool_call(run, ordinal=number, state=state) for number, state in enumerate(ToolCallState)]
    await asked(store, *calls)
    waiting, ready = ToolCallState.AWAITING_CLIENT, ToolCallState.READY

    async def unit(tx: Transaction) -> list[list[ToolInvocation]]:
        of = run.conversation_id
        return [
            await tx.tool_calls.of_conversation(of, waiting),
            await tx.tool_calls.of_conversation(of, ready, waiting),
        ]

    one, two = await store.read(ALICE, unit)
    assert [call.state for call in one] == [waiting]
    assert [call.state for call in two] == [waiting, ready]


async def test_saving_overwrites_what_changes_in_a_calls_life_and_nothing_else(store: Store) -> None:
    run = await running(store)
    call, neighbour = tool_call(run), tool_call(run, ordinal=1)
    await asked(store, call, neighbour)
    changed = replace(
        call,
        state=ToolCallState.RUNNING,
        definition_digest="d2",
        expires_at=at(9),
        warned=True,
        intent_epoch=4,
        intent_at=at(5),
        ended_at=at(6),
    )
    forged = replace(changed, name="x", arguments="{}", ordinal=9, epoch=9, server="x", tool="x", is_repeatable=True)
    assert await _save(store, forged, ToolCallState.READY)
    assert await _get(store, call) == changed
    assert await _get(store, neighbour) == neighbour


async def test_saving_applies_to_the_expected_state_only(store: Store) -> None:
    run = await running(store)
    for number, state in enumerate(ToolCallState):
        call = tool_call(run, ordinal=number, state=state)
        await asked(store, call)
        closed = replace(call, state=ToolCallState.CLOSED, ended_at=at(3))
        for expected in set(ToolCallState) - {state}:
            assert not await _save(store, closed, expected), (state, expected)
        assert await _get(store, call) == call
        assert await _save(store, closed, state)
        assert await _get(store, call) == closed


async def test_a_call_that_is_not_stored_is_not_saved(store: Store) -> None:
    run = await running(store)
    assert not await _save(store, tool_call(run), ToolCallState.READY)
    assert await store.read(ALICE, lambda tx: tx.tool_calls.open(run.id)) == []


@pytest.mark.parametrize("is_repeatable", [False, True])
async def test_only_a_repeatable_call_is_committed_to_twice(store: Store, is_repeatable: bool) -> None:
    run = await running(store)
    call = tool_call(run, is_repeatable=is_repeatable)
    await asked(store, call)
    first = replace(call, state=ToolCallState.RUNNING, intent_epoch=1, intent_at=at(1))
    assert await _save(store, first, ToolCallState.READY)
    again = replace(first, state=ToolCallState.READY, intent_epoch=None, intent_at=None)
    assert await _save(store, again, ToolCallState.RUNNING)
    second = replace(call, state=ToolCallState.RUNNING, intent_epoch=2, intent_at=at(2))
    assert await _save(store, second, ToolCallState.READY) is is_repeatable
    assert await _get(store, call) == (second if is_repeatable else again)
    ended = replace(second, state=ToolCallState.UNKNOWN, ended_at=at(3))
    assert await _save(store, ended, second.state if is_repeatable else ToolCallState.READY)


async def test_a_running_call_is_changed_without_a_new_intent(store: Store) -> None:
    run = await running(store)
    call = tool_call(run)
    await asked(store, call)
    first = replace(call, state=ToolCallState.RUNNING, intent_epoch=1, intent_at=at(1))
    assert await _save(store, first, ToolCallState.READY)
    warned = replace(first, warned=True)
    assert await _save(store, warned, ToolCallState.RUNNING)
    assert await _get(store, call) == warned


async def test_calls_go_with_their_conversation(store: Store) -> None:
    gone, kept = await running(store), await running(store)
    calls = [tool_call(gone), tool_call(kept)]
    for call in calls:
        await asked(store, call)
    await store.write(ALICE, lambda tx: tx.conversations.delete(gone.conversation_id))
    assert [await _get(store, call) for call in calls] == [None, calls[1]]


async def test_calls_of_a_unit_that_fails_are_not_there(store: Store) -> None:
    talk = conversation()
    await stored(store, talk)
    run = running_run(talk)

    async def unit(tx: Transaction) -> None:
        await tx.runs.add(run)
        await tx.tool_calls.add([tool_call(run)])
        raise RuntimeError("undone")

    with pytest.raises(RuntimeError, match="undone"):
        await store.write(ALICE, unit)
    assert await store.read(ALICE, lambda tx: tx.tool_calls.of_conversation(talk.id)) == []
