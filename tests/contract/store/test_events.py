"""Event logs: one sequence per conversation, published once and only when committed."""

import pytest

from server.domain.conversation import Conversation
from server.domain.events import (
    AttemptReset,
    Event,
    MessageCompleted,
    MessageStarted,
    PartialAnswer,
    Payload,
    ReasoningDelta,
    RunEnded,
    TextDelta,
)
from server.domain.ids import MessageId, RunId
from server.domain.message import Role
from server.domain.run import RunState
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, at, conversation, message, running_run, stored
from tests.contract.store.recording_feed import RecordingFeed

RUN = RunId("run_1")
M1, M2 = MessageId("m1"), MessageId("m2")


async def _append(
    store: Store, talk: Conversation, *payloads: Payload, run: RunId | None = RUN, epoch: int = 1
) -> None:
    await store.write(
        ALICE, lambda tx: tx.events.append(talk.id, payloads, now=at(1), run_id=run, epoch=epoch if run else None)
    )


async def test_a_log_counts_from_one_without_gaps(store: Store, talk: Conversation, feed: RecordingFeed) -> None:
    other = conversation("other")
    await stored(store, other)
    await _append(store, talk, AttemptReset(1), AttemptReset(2))
    await _append(store, other, AttemptReset(3), run=None)
    await _append(store, talk, AttemptReset(4))
    expected = [
        Event(talk.id, talk.key, sequence, at(1), AttemptReset(attempt), RUN, 1)
        for sequence, attempt in ((1, 1), (2, 2), (3, 4))
    ]
    assert await store.read(ALICE, lambda tx: tx.events.after(talk.id, 0, limit=9)) == expected
    elsewhere = Event(other.id, other.key, 1, at(1), AttemptReset(3), None, None)
    assert await store.read(ALICE, lambda tx: tx.events.after(other.id, 0, limit=9)) == [elsewhere]
    assert feed.published == [*expected[:2], elsewhere, expected[2]]
    found = await store.read(ALICE, lambda tx: tx.conversations.by_id(talk.id))
    assert found is not None
    assert found.last_sequence == 3


async def test_appending_returns_what_is_stored_and_published(
    store: Store, talk: Conversation, feed: RecordingFeed
) -> None:
    events = await store.write(
        ALICE, lambda tx: tx.events.append(talk.id, [RunEnded(RunState.FAILED, "R", "why")], now=at(2))
    )
    assert events == await store.read(ALICE, lambda tx: tx.events.after(talk.id, 0, limit=9)) == feed.published


async def test_an_event_bears_who_acted_in_the_owners_name(
    store: Store, talk: Conversation, feed: RecordingFeed
) -> None:
    ended = RunEnded(RunState.CANCELLED, ended_by="support")
    await store.write(ALICE, lambda tx: tx.events.append(talk.id, [ended], now=at(2), actor="support"))
    await _append(store, talk, AttemptReset(1))
    found = await store.read(ALICE, lambda tx: tx.events.after(talk.id, 0, limit=9))
    assert [(event.actor, event.payload) for event in found] == [("support", ended), (None, AttemptReset(1))]
    assert found == feed.published


async def test_nothing_appended_is_nothing_published(store: Store, talk: Conversation, feed: RecordingFeed) -> None:
    assert await store.write(ALICE, lambda tx: tx.events.append(talk.id, [], now=at(2))) == []
    assert feed.published == []


async def test_what_is_undone_is_not_published_and_its_numbers_are_given_again(
    store: Store, talk: Conversation, feed: RecordingFeed
) -> None:
    async def unit(tx: Transaction) -> None:
        await tx.events.append(talk.id, [AttemptReset(1)], now=at(1))
        raise RuntimeError("undone")

    with pytest.raises(RuntimeError, match="undone"):
        await store.write(ALICE, unit)
    assert feed.published == []
    await _append(store, talk, AttemptReset(2))
    assert [(event.sequence, event.payload) for event in feed.published] == [(1, AttemptReset(2))]


@pytest.mark.parametrize(("after", "limit", "sequences"), [(0, 2, [1, 2]), (2, 9, [3, 4, 5]), (5, 9, []), (99, 9, [])])
async def test_a_log_is_read_behind_a_sequence(
    store: Store, talk: Conversation, after: int, limit: int, sequences: list[int]
) -> None:
    await _append(store, talk, *[AttemptReset(number) for number in range(5)])
    found = await store.read(ALICE, lambda tx: tx.events.after(talk.id, after, limit=limit))
    assert [event.sequence for event in found] == sequences


async def test_a_run_is_read_behind_a_sequence_of_its_conversation(store: Store, talk: Conversation) -> None:
    for attempt, run in enumerate((RUN, RunId("run_2"), RUN, None, RUN)):
        await _append(store, talk, AttemptReset(attempt), run=run)

    async def sequences(after: int, limit: int) -> list[int]:
        found = await store.read(ALICE, lambda tx: tx.events.of_run_after(RUN, after, limit=limit))
        return [event.sequence for event in found]

    assert await sequences(0, 9) == [1, 3, 5]
    assert await sequences(1, 1) == [3]
    assert await sequences(5, 9) == []


async def test_a_partial_answer_joins_the_deltas_of_one_run_and_epoch(store: Store, talk: Conversation) -> None:
    await _append(store, talk, MessageStarted(M1, Role.ASSISTANT, "m"), TextDelta(M1, "old"), epoch=1)
    await _append(
        store, talk, MessageStarted(M2, Role.ASSISTANT, "m"), ReasoningDelta(M2, "hm"), TextDelta(M2, "Hel"), epoch=2
    )
    await _append(store, talk, TextDelta(M1, "foreign"), run=RunId("run_2"), epoch=2)
    await _append(store, talk, TextDelta(M2, "lo"), epoch=2)
    assert await store.read(ALICE, lambda tx: tx.events.partial_answer(RUN, epoch=2)) == PartialAnswer(
        M2, "Hello", "hm"
    )
    assert await store.read(ALICE, lambda tx: tx.events.partial_answer(RUN, epoch=1)) == PartialAnswer(M1, "old", "")


async def test_there_is_no_partial_answer_before_its_message_has_started(store: Store, talk: Conversation) -> None:
    assert await store.read(ALICE, lambda tx: tx.events.partial_answer(RUN, epoch=1)) is None
    await _append(store, talk, AttemptReset(1))
    assert await store.read(ALICE, lambda tx: tx.events.partial_answer(RUN, epoch=1)) is None
    await _append(store, talk, MessageStarted(M1, Role.ASSISTANT, "m"))
    assert await store.read(ALICE, lambda tx: tx.events.partial_answer(RUN, epoch=1)) == PartialAnswer(M1, "", "")


async def test_a_second_message_of_an_attempt_is_a_partial_answer_of_its_own(store: Store, talk: Conversation) -> None:
    await _append(store, talk, MessageStarted(M1, Role.ASSISTANT, "m"), TextDelta(M1, "whole"))
    await _append(store, talk, MessageStarted(M2, Role.ASSISTANT, "m"), TextDelta(M2, "part"))
    assert await store.read(ALICE, lambda tx: tx.events.partial_answer(RUN, epoch=1)) == PartialAnswer(M2, "part", "")


async def test_a_whole_message_is_no_partial_answer(store: Store, talk: Conversation) -> None:
    """An attempt that waits for its tools' results has nothing to say that is not in the history."""
    whole = MessageCompleted(message(talk, "whole", id=M1, role=Role.ASSISTANT))
    result = MessageCompleted(message(talk, "result", id=MessageId("m3"), role=Role.TOOL))
    await _append(store, talk, MessageStarted(M1, Role.ASSISTANT, "m"), TextDelta(M1, "whole"), whole, result)
    assert await store.read(ALICE, lambda tx: tx.events.partial_answer(RUN, epoch=1)) is None
    await _append(store, talk, MessageStarted(M2, Role.ASSISTANT, "m"))
    assert await store.read(ALICE, lambda tx: tx.events.partial_answer(RUN, epoch=1)) == PartialAnswer(M2, "", "")
    await _append(store, talk, TextDelta(M2, "part"))
    assert await store.read(ALICE, lambda tx: tx.events.partial_answer(RUN, epoch=1)) == PartialAnswer(M2, "part", "")


async def test_a_unit_sees_its_own_events(store: Store, talk: Conversation) -> None:
    run = running_run(talk)

    async def unit(tx: Transaction) -> PartialAnswer | None:
        await tx.runs.add(run)
        started: list[Payload] = [MessageStarted(M1, Role.ASSISTANT, "m"), TextDelta(M1, "x")]
        await tx.events.append(talk.id, started, now=at(1), run_id=run.id, epoch=1)
        return await tx.events.partial_answer(run.id, epoch=1)

    assert await store.write(ALICE, unit) == PartialAnswer(M1, "x", "")
