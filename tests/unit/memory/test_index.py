"""An index finds what a look at every memory finds, whatever was changed before."""

from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from server.adapters.memory.hashing import HashingEmbedder
from server.adapters.memory.index import OwnerIndex, OwnerIndexes
from server.adapters.memory.vectors import numbers_of, vector_of
from server.domain.ids import MemoryId
from server.domain.memory import Remembered, Vector, words_of
from server.domain.principal import Owner
from tests.integration.rpc.manual_clock import ManualClock

WORDS = ("tea", "dog", "Bruno", "morning", "Zürich", "東京", "run", "chess")
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
changes = st.lists(st.tuples(st.integers(0, 120), texts), max_size=300)


async def embedded(text: str) -> Vector:
    (vector,) = (await HashingEmbedder().embed([text])).vectors
    return vector


def remembered(name: str, revision: int, text: str, vector: Vector) -> Remembered:
    return Remembered(MemoryId(name), revision, text, vector)


async def filled(**memories: str) -> OwnerIndex:
    index = OwnerIndex()
    index.apply([remembered(name, n, text, await embedded(text)) for n, (name, text) in enumerate(memories.items(), 1)])
    return index


async def found(index: OwnerIndex, text: str, limit: int = 10) -> list[str]:
    return [name for name, _ in index.search(text, await embedded(text), limit=limit)]


async def test_what_shares_most_comes_first() -> None:
    index = await filled(a="drinks green tea", b="drinks coffee", c="has a dog")
    assert (await found(index, "green tea"))[0] == "a"
    assert (await found(index, "DOG"))[0] == "c"
    ((name, score),) = index.search("drinks green tea", await embedded("drinks green tea"), limit=1)
    assert (name, round(score, 3)) == ("a", 1.0)


async def test_equals_come_by_their_ids() -> None:
    index = await filled(c="tea", a="tea", b="tea")
    assert await found(index, "tea") == ["a", "b", "c"]
    assert await found(index, "tea", limit=2) == ["a", "b"]


async def test_nothing_is_found_where_nothing_fits() -> None:
    assert await found(OwnerIndex(), "tea") == []
    assert await found(await filled(a="tea"), "xyzzy") == []
    assert await found(await filled(a="tea"), "tea", limit=0) == []
    assert await found(await filled(a="☕"), "☕☕") == []


async def test_memories_of_another_embedder_are_found_by_their_words() -> None:
    index = await filled(a="drinks tea")
    index.apply([remembered("b", 2, "has tea leaves", vector_of("other", np.ones(3)))])
    assert await found(index, "tea") == ["a", "b"]
    assert [each.id for each in index.outdated("hashing-384", limit=9)] == ["b"]
    assert [each.id for each in index.outdated("other", limit=9)] == ["a"]
    index.apply([remembered("b", 3, "has tea leaves", await embedded("has tea leaves"))])
    assert index.outdated("hashing-384", limit=9) == []


async def test_vectors_of_another_length_are_like_nothing() -> None:
    index = await filled(a="tea")
    index.apply([remembered("b", 2, "coffee", vector_of("hashing-384", np.ones(3)))])
    assert await found(index, "coffee") == ["b"]


@settings(max_examples=60, deadline=None)
@given(changes, texts, st.integers(1, 20))
async def test_it_finds_what_a_look_at_every_memory_finds(
    history: list[tuple[int, str]], query: str, limit: int
) -> None:
    index, there = OwnerIndex(), dict[MemoryId, str]()
    for revision, (number, text) in enumerate(history, 1):
        name = MemoryId(f"m{number % 40}")
        if number > 100:
            there.pop(name, None)
            index.retain(there.keys())
        else:
            there[name] = text
            index.apply([remembered(name, revision, text, await embedded(text))])
        if index.revision == 0 and there:
            # It has emptied itself, and is filled anew as its owner does it.
            index.apply([remembered(each, revision, said, await embedded(said)) for each, said in there.items()])
    assert len(index) == len(there)
    wanted = await embedded(query)
    hits = index.search(query, wanted, limit=limit)
    close = {name: float(numbers_of(await embedded(text)) @ numbers_of(wanted)) for name, text in there.items()}
    scores = dict(hits)
    assert [score for _, score in hits] == sorted(scores.values(), reverse=True)
    assert all(0 < score <= 1 for score in scores.values())
    assert len(hits) == min(limit, sum(close[name] > 0 or _shares_a_word(there[name], query) for name in there))
    for name, score in hits:
        assert score >= 0.7 * max(close[name], 0) - 1e-4


def _shares_a_word(text: str, query: str) -> bool:
    return bool(set(words_of(text)) & set(words_of(query)))


async def test_indexes_are_given_up_when_they_hold_too_much() -> None:
    indexes = OwnerIndexes(clock=ManualClock(), most=4)
    anna, bert = Owner("acme", "anna"), Owner("acme", "bert")
    vector = await embedded("tea")
    indexes.of(anna).apply([remembered(str(n), n, "tea", vector) for n in range(1, 9)])
    assert len(indexes.of(anna)) == 8
    indexes.of(bert).apply([remembered("b", 1, "tea", vector)])
    assert (len(indexes.of(bert)), len(indexes.of(anna))) == (1, 0)
    indexes.forget(bert)
    assert len(indexes.of(bert)) == 0


async def test_indexes_that_nobody_asks_for_any_more_are_given_up() -> None:
    clock, idle = ManualClock(), timedelta(minutes=10)
    indexes = OwnerIndexes(clock=clock)
    anna, bert = Owner("acme", "anna"), Owner("acme", "bert")
    for owner in (anna, bert):
        indexes.of(owner).apply([remembered("a", 1, "tea", await embedded("tea"))])
    clock.move(599)
    indexes.forget_idle(idle)
    assert len(indexes.of(anna)) == 1
    clock.move(1)
    indexes.forget_idle(idle)
    assert (len(indexes.of(anna)), len(indexes.of(bert))) == (1, 0)
    clock.move(600)
    indexes.forget_idle(idle)
    assert len(indexes.of(anna)) == 0
