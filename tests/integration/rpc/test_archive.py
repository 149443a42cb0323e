"""The archive over the whole service: what is refused makes nothing, what is too large is told, what ends, ends all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.application.archive import MOST_BYTES, MOST_CONVERSATIONS
from server.application.archive_chat import ArchiveMessage
from server.domain.conversation import Conversation
from server.domain.errors import (
    ConversationForbidden,
    ConversationNotFound,
    ReplyTooLarge,
    RunCancelled,
    UnknownModel,
)
from server.domain.generation import GenerationConfig
from server.domain.ids import ConversationId
from server.domain.run import RunOptions
from server.domain.search import Search
from server.domain.title import DEFAULT_TITLE
from server.ports.store import Transaction
from tests.contract.api.directed_provider import DirectedProvider
from tests.contract.store.builders import conversation, message
from tests.support.house import ANNA, BERT, House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, DirectedProvider()) as running:
        yield running


async def _names(house: House) -> list[str]:
    return [each.conversation.name for each in await house.archive.find(ANNA.owner, Search())]


async def _stored(house: House, talks: list[Conversation], *contents: str) -> None:
    """Store conversations of Anna's, with these messages in each."""

    async def unit(tx: Transaction) -> None:
        for talk in talks:
            await tx.conversations.add(talk)
            for content in contents:
                await tx.messages.append(message(talk, content))

    await house.store.write(ANNA.owner, unit)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (ArchiveMessage("Hi", generation=GenerationConfig(model="third")), UnknownModel),
        (
            ArchiveMessage("Hi", options=RunOptions(image=True), generation=GenerationConfig(model="first")),
            UnknownModel,
        ),
        (ArchiveMessage("Hi", conversation_id=ConversationId("none")), ConversationNotFound),
    ],
)
async def test_a_refused_message_makes_nothing(house: House, said: ArchiveMessage, error: type[Exception]) -> None:
    with pytest.raises(error):
        await house.archive_chat.send(ANNA, said)
    assert await _names(house) == []


async def test_a_message_without_words_begins_a_conversation_with_the_default_name(house: House) -> None:
    await house.archive_chat.answer(ANNA.owner, await house.archive_chat.send(ANNA, ArchiveMessage("\u200b")))
    assert await _names(house) == [DEFAULT_TITLE]


async def test_a_cancelled_answer_is_an_error_to_who_waits_and_keeps_what_it_said(house: House) -> None:
    run = await house.archive_chat.send(ANNA, ArchiveMessage("hold"))
    waiting = asyncio.create_task(house.archive_chat.answer(ANNA.owner, run))
    async for shown in house.archive_chat.follow(ANNA.owner, run):
        if "Holding" in str(shown):
            break
    await house.runs.cancel(ANNA, run.id)
    with pytest.raises(RunCancelled):
        await waiting
    (found,) = await house.archive.find(ANNA.owner, Search())
    assert [each.content for each in found.messages] == ["hold", "Holding"]


async def test_deleting_ends_the_run_and_every_stream(house: House) -> None:
    run = await house.archive_chat.send(ANNA, ArchiveMessage("hold"))
    seen = asyncio.Event()

    async def watch() -> None:
        async for _ in house.archive_chat.follow(ANNA.owner, run):
            seen.set()

    watching = asyncio.create_task(watch())
    await seen.wait()
    with pytest.raises(ConversationForbidden):
        await house.archive.delete(BERT, run.conversation_id)
    assert await house.archive.delete(ANNA, run.conversation_id) == run.conversation_id
    with pytest.raises(ConversationNotFound):
        await watching
    assert await _names(house) == []
    with pytest.raises(ConversationNotFound):
        await house.archive.delete(ANNA, run.conversation_id)


async def test_more_conversations_than_a_reply_holds_are_refused(house: House) -> None:
    talks = [conversation(owner=ANNA.owner, time=number) for number in range(MOST_CONVERSATIONS + 1)]
    await _stored(house, talks)
    with pytest.raises(ReplyTooLarge, match=r"1000 conversations.*limit_from and limit_to"):
        await house.archive.find(ANNA.owner, Search())
    assert len(await house.archive.find(ANNA.owner, Search(end=MOST_CONVERSATIONS))) == MOST_CONVERSATIONS
    assert len(await house.archive.find(ANNA.owner, Search(start=1, end=5000))) == MOST_CONVERSATIONS


async def test_conversations_that_are_larger_than_a_reply_are_refused_and_one_at_a_time_are_not(house: House) -> None:
    talks = [conversation(owner=ANNA.owner, time=number) for number in range(2)]
    await _stored(house, talks, "é" * (MOST_BYTES // 4), "x" * 1000)
    with pytest.raises(ReplyTooLarge, match=r"bytes; ask for fewer"):
        await house.archive.find(ANNA.owner, Search())
    for place, talk in enumerate(talks):
        (found,) = await house.archive.find(ANNA.owner, Search(start=place, end=place + 1))
        assert found.conversation.id == talk.id
        assert len(found.messages) == 2


async def test_a_conversation_that_is_too_large_alone_is_refused_without_counting_as_seen(house: House) -> None:
    talk = conversation(owner=ANNA.owner)
    await _stored(house, [talk], "é" * (MOST_BYTES // 2))
    for call in (house.archive.get(ANNA, talk.id), house.archive.find(ANNA.owner, Search())):
        with pytest.raises(ReplyTooLarge, match=f"{talk.id} alone"):
            await call
    assert await house.store.read(ANNA.owner, lambda tx: tx.conversations.by_id(talk.id)) == talk
