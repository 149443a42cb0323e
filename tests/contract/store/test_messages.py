"""Messages: the history's order, the queue's order, and the ways from one to the other."""

from dataclasses import replace

import pytest

from server.adapters.store.errors import MessageNotQueued, RowRefused
from server.domain.attachment import Attachment
from server.domain.conversation import Conversation
from server.domain.ids import FileId, MessageId, RunId, SessionId
from server.domain.message import GeneratedImage, Message, MessageMetadata, MessageStatus, Role, ToolCall, Usage
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, at, conversation, message, new_id, stored


@pytest.fixture
async def history(store: Store, talk: Conversation) -> list[Message]:
    """Seven messages, one behind the other."""

    async def fill(tx: Transaction) -> list[Message]:
        return [await tx.messages.append(message(talk, str(number), time=-number)) for number in range(7)]

    return await store.write(ALICE, fill)


def _texts(messages: list[Message]) -> str:
    return "".join(message.content for message in messages)


async def test_what_is_appended_comes_back_equal(store: Store, talk: Conversation) -> None:
    full = message(
        talk,
        "Grüße 👋\nrow\t'quoted' \"twice\" \\ ${x} %s ?",
        role=Role.ASSISTANT,
        status=MessageStatus.INTERRUPTED,
        run_id=RunId("run_1"),
        session_id=SessionId("s"),
        model="m",
        provider="p",
        reasoning="so …",
        tool_calls=(ToolCall("c1", "search", '{"q": "ä"}', "p1"), ToolCall("c2", "look", "not json")),
        usage=Usage(1, 2, 3),
        image=GeneratedImage("painter", "a cat", FileId(new_id())),
        metadata=MessageMetadata(cache_hit=True),
        provider_parts='{"signature": "ä"}',
        attachments=(
            Attachment(FileId(new_id()), 'a "ä".png', "image/png", 2**40, "ab" * 32, tokens=255),
            Attachment(FileId(new_id()), "b", "text/plain", 0, "cd" * 32, tokens=0),
        ),
    )
    result = message(talk, "", role=Role.TOOL, tool_call_id="c1")
    first = await store.write(ALICE, lambda tx: tx.messages.append(full))
    second = await store.write(ALICE, lambda tx: tx.messages.append(result))
    assert (first, second) == (replace(full, position=1), replace(result, position=2))
    assert await store.read(ALICE, lambda tx: tx.messages.history(talk.id)) == [first, second]


async def test_positions_count_from_one_in_every_conversation(store: Store, talk: Conversation) -> None:
    other = conversation("other")
    await stored(store, other)

    async def fill(tx: Transaction) -> list[int | None]:
        return [(await tx.messages.append(message(of))).position for of in (talk, other, talk, talk, other)]

    assert await store.write(ALICE, fill) == [1, 1, 2, 3, 2]


async def test_history_is_in_order_of_acceptance_not_of_time(
    store: Store, talk: Conversation, history: list[Message]
) -> None:
    assert await store.read(ALICE, lambda tx: tx.messages.history(talk.id)) == history


@pytest.mark.parametrize(("last", "texts"), [(0, ""), (1, "6"), (3, "456"), (7, "0123456"), (50, "0123456")])
async def test_the_end_of_a_history(
    store: Store, talk: Conversation, history: list[Message], last: int, texts: str
) -> None:
    assert _texts(await store.read(ALICE, lambda tx: tx.messages.history(talk.id, last=last))) == texts


@pytest.mark.parametrize(
    ("after", "limit", "texts"), [(0, 3, "012"), (3, 3, "345"), (6, 3, "6"), (7, 3, ""), (99, 3, ""), (0, 0, "")]
)
async def test_a_page_of_a_history(
    *, store: Store, talk: Conversation, history: list[Message], after: int, limit: int, texts: str
) -> None:
    found = await store.read(ALICE, lambda tx: tx.messages.page(talk.id, after_position=after, limit=limit))
    assert _texts(found) == texts


@pytest.mark.parametrize(
    ("offset", "limit", "descending", "texts"),
    [
        (0, 3, False, "012"),
        (5, 3, False, "56"),
        (7, 3, False, ""),
        (0, 3, True, "654"),
        (5, 3, True, "10"),
        (7, 3, True, ""),
        (99, 3, True, ""),
    ],
)
async def test_a_window_of_a_history(
    *, store: Store, talk: Conversation, history: list[Message], offset: int, limit: int, descending: bool, texts: str
) -> None:
    found = await store.read(
        ALICE, lambda tx: tx.messages.slice(talk.id, offset=offset, limit=limit, descending=descending)
    )
    assert _texts(found) == texts


@pytest.mark.parametrize(
    ("offset", "limit", "descending", "texts"),
    [
        (0, 9, False, "acfg"),
        (1, 2, False, "cf"),
        (3, 2, False, "g"),
        (0, 2, True, "gf"),
        (1, 9, True, "fca"),
        (4, 1, True, ""),
    ],
)
async def test_a_window_leaves_out_what_passed_between_the_model_and_its_tools(
    *, store: Store, talk: Conversation, offset: int, limit: int, descending: bool, texts: str
) -> None:
    asked = ToolCall("call_1", "look", "{}")
    spoken = [message(talk, "a"), replace(message(talk, "c", role=Role.ASSISTANT), tool_calls=(asked,))]
    result = replace(message(talk, "d", role=Role.TOOL), tool_call_id=asked.id)
    silent = replace(message(talk, "", role=Role.ASSISTANT), tool_calls=(asked,))
    answer, thanks = message(talk, "f", role=Role.ASSISTANT), message(talk, "g")

    async def fill(tx: Transaction) -> None:
        for each in (*spoken, result, silent, replace(result, id=MessageId(new_id())), answer, thanks):
            await tx.messages.append(each)

    await store.write(ALICE, fill)
    found = await store.read(
        ALICE, lambda tx: tx.messages.slice(talk.id, offset=offset, limit=limit, descending=descending)
    )
    assert _texts(found) == texts
    assert await store.read(ALICE, lambda tx: tx.messages.count_said(talk.id)) == 4
    assert await store.read(ALICE, lambda tx: tx.messages.count(talk.id)) == 7


async def test_a_count_is_of_the_history_alone(store: Store, talk: Conversation, history: list[Message]) -> None:
    await store.write(ALICE, lambda tx: tx.messages.enqueue(message(talk)))
    assert await store.read(ALICE, lambda tx: tx.messages.count(talk.id)) == len(history)
    assert await store.read(ALICE, lambda tx: tx.messages.count_said(talk.id)) == len(history)
    assert await store.read(ALICE, lambda tx: tx.messages.count(conversation("none").id)) == 0
    assert await store.read(ALICE, lambda tx: tx.messages.count_said(conversation("none").id)) == 0


async def test_a_queue_is_in_order_of_acceptance_whatever_the_clock_said(store: Store, talk: Conversation) -> None:
    waiting = [message(talk, name, time=time) for name, time in (("a", 9), ("b", 1), ("c", 5))]

    async def unit(tx: Transaction) -> None:
        for item in waiting:
            await tx.messages.enqueue(item)

    await store.write(ALICE, unit)
    found = await store.read(ALICE, lambda tx: tx.messages.queued(talk.id))
    assert found == [replace(item, status=MessageStatus.QUEUED) for item in waiting]
    assert await store.read(ALICE, lambda tx: tx.messages.history(talk.id)) == []


async def test_an_admitted_message_is_the_last_of_the_history(
    store: Store, talk: Conversation, history: list[Message]
) -> None:
    first, second = message(talk, "a"), message(talk, "b")

    async def unit(tx: Transaction) -> Message:
        await tx.messages.enqueue(first)
        await tx.messages.enqueue(second)
        return await tx.messages.admit(second.id)

    admitted = await store.write(ALICE, unit)
    assert admitted == replace(second, status=MessageStatus.COMPLETE, position=8)
    assert await store.read(ALICE, lambda tx: tx.messages.history(talk.id)) == [*history, admitted]
    assert [item.id for item in await store.read(ALICE, lambda tx: tx.messages.queued(talk.id))] == [first.id]


async def test_a_withdrawn_message_is_neither_in_the_queue_nor_in_the_history(store: Store, talk: Conversation) -> None:
    first, second = message(talk, "a"), message(talk, "b")

    async def unit(tx: Transaction) -> None:
        await tx.messages.enqueue(first)
        await tx.messages.enqueue(second)
        await tx.messages.withdraw(first.id)

    await store.write(ALICE, unit)
    assert [item.id for item in await store.read(ALICE, lambda tx: tx.messages.queued(talk.id))] == [second.id]
    assert await store.read(ALICE, lambda tx: tx.messages.count(talk.id)) == 0


async def test_only_a_queued_message_is_admitted_or_withdrawn_and_no_position_is_lost(
    store: Store, talk: Conversation
) -> None:
    appended = await store.write(ALICE, lambda tx: tx.messages.append(message(talk)))
    withdrawn = message(talk)

    async def withdraw(tx: Transaction) -> None:
        await tx.messages.enqueue(withdrawn)
        await tx.messages.withdraw(withdrawn.id)

    await store.write(ALICE, withdraw)
    for message_id in (appended.id, withdrawn.id, MessageId("none")):
        with pytest.raises(MessageNotQueued):
            await store.write(ALICE, lambda tx, message_id=message_id: tx.messages.admit(message_id))  # type: ignore[misc]
        with pytest.raises(MessageNotQueued):
            await store.write(ALICE, lambda tx, message_id=message_id: tx.messages.withdraw(message_id))  # type: ignore[misc]
    following = await store.write(ALICE, lambda tx: tx.messages.append(message(talk)))
    assert following.position == 2


async def test_an_id_names_one_message(store: Store, talk: Conversation) -> None:
    first = await store.write(ALICE, lambda tx: tx.messages.append(message(talk)))
    with pytest.raises(RowRefused):
        await store.write(ALICE, lambda tx: tx.messages.append(message(talk, id=first.id)))
    assert await store.read(ALICE, lambda tx: tx.messages.count(talk.id)) == 1


async def test_any_character_comes_back(store: Store) -> None:
    """Among them one that PostgreSQL cannot keep, and the one that stands in for it there."""
    strange = "a\x00b\x01\ufffe\ufffe0\uffff\U0010ffff\u200b\x7f"
    talk = conversation(f"k{strange}", name=strange)
    await stored(store, talk)
    appended = await store.write(ALICE, lambda tx: tx.messages.append(message(talk, strange, reasoning=strange)))
    assert await store.read(ALICE, lambda tx: tx.conversations.get(talk.key)) == talk
    assert await store.read(ALICE, lambda tx: tx.messages.history(talk.id)) == [appended]


async def test_a_message_of_four_mebibytes(store: Store, talk: Conversation) -> None:
    large = message(talk, "ä" * (2 * 1024 * 1024), id=MessageId(new_id()), created_at=at(1))
    await store.write(ALICE, lambda tx: tx.messages.append(large))
    assert await store.read(ALICE, lambda tx: tx.messages.history(talk.id)) == [replace(large, position=1)]
