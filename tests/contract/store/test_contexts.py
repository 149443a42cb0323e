"""Summaries and model requests are kept as they were made, each conversation's apart, and go with it."""

from dataclasses import replace

import pytest

from server.domain.conversation import Conversation
from server.domain.enclosure import SentFile, Shown
from server.domain.errors import ConversationNotFound
from server.domain.generation import GenerationConfig
from server.domain.ids import CompactionId, ConversationId, FileId, RunId
from server.domain.message import Message, Role, Usage
from server.domain.model_request import LeftOut, Omission, Positions
from server.domain.request_record import OfferedTool, RequestRecord
from server.domain.run import Run
from server.domain.tokens import Counted
from server.ports.store import Store, Transaction
from tests.contract.store.builders import (
    ALICE,
    BOB,
    compaction,
    conversation,
    message,
    new_id,
    request_record,
    running,
    stored,
)


async def talk_of(store: Store) -> Conversation:
    talk = conversation()
    await stored(store, talk)
    return talk


def answer(of: Run, record: RequestRecord, usage: Usage | None) -> Message:
    """The message that the answer to a request became."""
    talk = conversation(id=of.conversation_id)
    return message(talk, id=record.message_id, role=Role.ASSISTANT, usage=usage)


async def test_summaries_come_back_as_they_were_made_by_version(store: Store) -> None:
    talk, other = await talk_of(store), await talk_of(store)
    made = [
        compaction(talk, text="They met.", run_id=RunId("run_1")),
        compaction(talk, version=2, branch=3, upto=2**40, text="早" * 9000, tokens_before=2**40),
    ]

    async def unit(tx: Transaction) -> list[bool]:
        return [await tx.compactions.add(each) for each in [made[1], made[0], compaction(other)]]

    assert await store.write(ALICE, unit) == [True] * 3
    assert await store.read(ALICE, lambda tx: tx.compactions.all(talk.id)) == made
    assert await store.read(ALICE, lambda tx: tx.compactions.newest(talk.id)) == made[1]
    assert await store.read(ALICE, lambda tx: tx.compactions.get(made[0].id)) == made[0]
    assert await store.read(ALICE, lambda tx: tx.compactions.get(CompactionId("none"))) is None


async def test_a_version_is_stored_once(store: Store) -> None:
    talk = await talk_of(store)
    first, second = compaction(talk), compaction(talk, text="Another.")

    async def unit(tx: Transaction) -> tuple[bool, bool]:
        return await tx.compactions.add(first), await tx.compactions.add(second)

    assert await store.write(ALICE, unit) == (True, False)
    assert await store.read(ALICE, lambda tx: tx.compactions.all(talk.id)) == [first]


async def test_a_request_comes_back_as_it_was_made_with_the_usage_of_its_answer(store: Store) -> None:
    run = await running(store)
    made = request_record(
        run,
        included=(Positions(4, 9), Positions(11, 11)),
        left_out=(LeftOut(Positions(1, 3), Omission.SUMMARISED), LeftOut(Positions(10, 10), Omission.EMPTY)),
        system_prompt="Be kind.",
        compaction_id=CompactionId(new_id()),
        compaction_failure="PROVIDER_TIMEOUT",
        tools=(OfferedTool("files__read", "d1"), OfferedTool("ask", "d2")),
        generation=GenerationConfig(model="m", temperature=0.5),
        room=8000,
        files=(SentFile(4, FileId(new_id()), Shown.WHOLE), SentFile(9, FileId(new_id()), Shown.DELETED)),
    )
    await store.write(ALICE, lambda tx: tx.model_requests.add(made))
    assert await store.read(ALICE, lambda tx: tx.model_requests.of_run(run.id, offset=0, limit=9)) == [made]
    await store.write(ALICE, lambda tx: tx.messages.append(answer(run, made, Usage(7, 2, 9))))
    found = await store.read(ALICE, lambda tx: tx.model_requests.of_run(run.id, offset=0, limit=9))
    assert found == [replace(made, usage=Usage(7, 2, 9))]


async def test_requests_of_a_run_are_in_the_order_in_which_they_were_made(store: Store) -> None:
    run, other = await running(store), await running(store)
    made = [request_record(run, epoch=epoch, round=number) for epoch, number in [(1, 1), (1, 2), (2, 2), (3, 1)]]

    async def unit(tx: Transaction) -> None:
        for each in [made[2], request_record(other), made[0], made[3], made[1]]:
            await tx.model_requests.add(each)

    await store.write(ALICE, unit)
    assert await store.read(ALICE, lambda tx: tx.model_requests.of_run(run.id, offset=0, limit=9)) == made
    assert await store.read(ALICE, lambda tx: tx.model_requests.of_run(run.id, offset=1, limit=2)) == made[1:3]


async def test_texts_that_requests_have_in_common_are_theirs_whoever_came_first(store: Store) -> None:
    run, other = await running(store), await running(store)
    made = [
        request_record(each, round=number, system_prompt=text)
        for number, (each, text) in enumerate([(run, "a"), (run, "b"), (other, "a"), (run, "a")], 1)
    ]

    async def unit(tx: Transaction) -> None:
        for each in made:
            await tx.model_requests.add(each)

    await store.write(ALICE, unit)
    found = await store.read(ALICE, lambda tx: tx.model_requests.of_run(run.id, offset=0, limit=9))
    assert [each.system_prompt for each in found] == ["a", "b", "a"]
    await store.write(ALICE, lambda tx: tx.conversations.delete(other.conversation_id))
    assert await store.read(ALICE, lambda tx: tx.model_requests.of_run(run.id, offset=0, limit=9)) == found


async def test_what_a_provider_counted_is_known_of_the_newest_requests_to_that_model(store: Store) -> None:
    run = await running(store)

    async def unit(tx: Transaction) -> None:
        for number in range(12):
            model = "n" if number == 11 else "m"
            record = request_record(
                run, round=number, plain_tokens=100 + number, generation=GenerationConfig(model=model)
            )
            await tx.model_requests.add(record)
            usage = None if number == 10 else Usage(200 + number, 1, 201 + number)
            await tx.messages.append(answer(run, record, usage))

    await store.write(ALICE, unit)
    talk = run.conversation_id
    counts = await store.read(ALICE, lambda tx: tx.model_requests.counts(talk, provider="p", model="m"))
    assert counts == [Counted(100 + number, 200 + number) for number in range(9, 3, -1)]
    assert await store.read(ALICE, lambda tx: tx.model_requests.counts(talk, provider="q", model="m")) == []


async def test_both_go_with_their_conversation(store: Store) -> None:
    run = await running(store)
    made = compaction(conversation(id=run.conversation_id))

    async def unit(tx: Transaction) -> None:
        await tx.model_requests.add(request_record(run, system_prompt="a"))
        await tx.compactions.add(made)

    await store.write(ALICE, unit)
    await store.write(ALICE, lambda tx: tx.conversations.delete(run.conversation_id))
    assert await store.read(ALICE, lambda tx: tx.model_requests.of_run(run.id, offset=0, limit=9)) == []
    assert await store.read(ALICE, lambda tx: tx.compactions.get(made.id)) is None


async def test_neither_is_stored_in_a_conversation_that_is_not_the_owners(store: Store) -> None:
    run = await running(store)
    talk = conversation(id=run.conversation_id)
    for stranger, owner in ((talk, BOB), (conversation(id=ConversationId("none")), ALICE)):
        record = replace(request_record(run), conversation_id=stranger.id)
        with pytest.raises(ConversationNotFound):
            await store.write(owner, lambda tx, of=stranger: tx.compactions.add(compaction(of)))  # type: ignore[misc]
        with pytest.raises(ConversationNotFound):
            await store.write(owner, lambda tx, of=record: tx.model_requests.add(of))  # type: ignore[misc]
