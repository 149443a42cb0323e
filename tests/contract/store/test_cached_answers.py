"""The response cache keeps an answer until it expires or its conversation goes, each owner's apart."""

import pytest

from server.domain.cached_answer import CachedAnswer
from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound
from server.domain.ids import ConversationId
from server.domain.principal import Owner
from server.ports.store import Store
from tests.contract.store.builders import ALICE, BOB, at, conversation, stored

ANSWER = CachedAnswer("Hello", "Hm.")


async def talk_of(store: Store, owner: Owner = ALICE) -> Conversation:
    """A conversation."""
    talk = conversation(owner=owner)
    await stored(store, talk)
    return talk


async def put(
    store: Store, talk: Conversation, key: str = "k", answer: CachedAnswer = ANSWER, *, until: float = 9
) -> None:
    """Store an answer that was given in a conversation."""
    await store.write(
        talk.owner,
        lambda tx: tx.cached_answers.put(key, answer, given_in=talk.id, now=at(0), expires_at=at(until)),
    )


async def found(store: Store, key: str = "k", *, by: Owner = ALICE, now: float = 0) -> CachedAnswer | None:
    """The answer of a key."""
    return await store.read(by, lambda tx: tx.cached_answers.find(key, now=at(now)))


async def test_an_answer_is_found_until_it_expires(store: Store) -> None:
    await put(store, await talk_of(store), until=5)
    assert await found(store, now=4) == ANSWER
    assert await found(store, now=5) is None
    assert await found(store, "other") is None
    assert await found(store, by=BOB) is None


async def test_the_later_answer_of_a_key_replaces_the_earlier(store: Store) -> None:
    talk = await talk_of(store)
    await put(store, talk, answer=CachedAnswer("one"), until=5)
    await put(store, talk, answer=CachedAnswer("two"))
    assert await found(store, now=8) == CachedAnswer("two")


async def test_an_answer_goes_with_the_conversation_in_which_it_was_given_last(store: Store) -> None:
    first, second = await talk_of(store), await talk_of(store)
    await put(store, first, "moved")
    await put(store, second, "moved")
    await put(store, first, "stayed")
    await store.write(ALICE, lambda tx: tx.conversations.delete(first.id))
    assert (await found(store, "moved"), await found(store, "stayed")) == (ANSWER, None)
    await store.write(ALICE, lambda tx: tx.conversations.delete(second.id))
    assert await found(store, "moved") is None


async def test_what_was_given_in_no_conversation_of_the_owners_is_not_kept(store: Store) -> None:
    bobs = await talk_of(store, BOB)
    for stranger in (bobs.id, ConversationId("none")):
        with pytest.raises(ConversationNotFound):
            await store.write(
                ALICE,
                lambda tx, stranger=stranger: tx.cached_answers.put(  # type: ignore[misc]
                    "k", ANSWER, given_in=stranger, now=at(0), expires_at=at(9)
                ),
            )
    assert (await found(store), await found(store, by=BOB)) == (None, None)


async def test_what_expired_is_forgotten_in_steps_the_oldest_first(store: Store) -> None:
    talks = await talk_of(store, BOB), await talk_of(store, ALICE)
    for number in range(5):
        await put(store, talks[number % 2], f"k{number}", until=number)
    assert await store.write_system(lambda tx: tx.forget_answers(at(3), limit=3)) == 3
    assert await store.write_system(lambda tx: tx.forget_answers(at(3), limit=3)) == 1
    assert await store.write_system(lambda tx: tx.forget_answers(at(3), limit=3)) == 0
    assert await found(store, "k4", by=BOB, now=3) == ANSWER
