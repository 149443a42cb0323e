"""The response cache keeps an answer until it expires, each owner's apart."""

from server.domain.cached_answer import CachedAnswer
from server.ports.store import Store
from tests.contract.store.builders import ALICE, BOB, at

ANSWER = CachedAnswer("Hello", "Hm.")


async def test_an_answer_is_found_until_it_expires(store: Store) -> None:
    await store.write(ALICE, lambda tx: tx.cached_answers.put("k", ANSWER, now=at(0), expires_at=at(5)))
    assert await store.read(ALICE, lambda tx: tx.cached_answers.find("k", now=at(4))) == ANSWER
    assert await store.read(ALICE, lambda tx: tx.cached_answers.find("k", now=at(5))) is None
    assert await store.read(ALICE, lambda tx: tx.cached_answers.find("other", now=at(0))) is None
    assert await store.read(BOB, lambda tx: tx.cached_answers.find("k", now=at(0))) is None


async def test_the_later_answer_of_a_key_replaces_the_earlier(store: Store) -> None:
    for text, until in (("one", 5), ("two", 9)):
        answer = CachedAnswer(text)
        await store.write(
            ALICE,
            lambda tx, answer=answer, until=until: tx.cached_answers.put(  # type: ignore[misc]
                "k", answer, now=at(0), expires_at=at(until)
            ),
        )
    assert await store.read(ALICE, lambda tx: tx.cached_answers.find("k", now=at(8))) == CachedAnswer("two")


async def test_what_expired_is_forgotten_in_steps_the_oldest_first(store: Store) -> None:
    for number in range(5):
        await store.write(
            ALICE if number % 2 else BOB,
            lambda tx, number=number: tx.cached_answers.put(  # type: ignore[misc]
                f"k{number}", ANSWER, now=at(0), expires_at=at(number)
            ),
        )
    assert await store.write_system(lambda tx: tx.forget_answers(at(3), limit=3)) == 3
    assert await store.write_system(lambda tx: tx.forget_answers(at(3), limit=3)) == 1
    assert await store.write_system(lambda tx: tx.forget_answers(at(3), limit=3)) == 0
    assert await store.read(BOB, lambda tx: tx.cached_answers.find("k4", now=at(3))) == ANSWER
