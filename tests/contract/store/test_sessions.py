"""Chat sessions."""

from dataclasses import replace

from server.domain.conversation import Conversation
from server.domain.ids import SessionId
from server.domain.session import SessionStatus
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, at, conversation, session, stored


async def test_what_is_added_comes_back_equal(store: Store, talk: Conversation) -> None:
    made = session(talk, status=SessionStatus.COMPLETED, updated_at=at(5))
    await store.write(ALICE, lambda tx: tx.sessions.add(made))
    assert await store.read(ALICE, lambda tx: tx.sessions.get(made.id)) == made
    assert await store.read(ALICE, lambda tx: tx.sessions.get(SessionId("none"))) is None


async def test_sessions_of_a_conversation_by_age_then_id(store: Store, talk: Conversation) -> None:
    other = conversation("other")
    await stored(store, other)
    made = [session(talk, time=time) for time in (2, 1, 2, 0)]

    async def unit(tx: Transaction) -> None:
        for item in (*made, session(other)):
            await tx.sessions.add(item)

    await store.write(ALICE, unit)
    found = await store.read(ALICE, lambda tx: tx.sessions.of_conversation(talk.id))
    assert found == sorted(made, key=lambda item: (item.created_at, item.id))


async def test_touching_sets_the_time_of_change(store: Store, talk: Conversation) -> None:
    made = session(talk)
    await store.write(ALICE, lambda tx: tx.sessions.add(made))
    await store.write(ALICE, lambda tx: tx.sessions.touch(made.id, at(9)))
    assert await store.read(ALICE, lambda tx: tx.sessions.get(made.id)) == replace(made, updated_at=at(9))
