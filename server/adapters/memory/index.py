"""An owner's memories in this process: a matrix of their vectors, and where which word occurs.

A search compares the question with every memory, exactly: for 100,000 of them one product of 150 MB of numbers, which
the linear algebra library does in a few milliseconds. An approximate index would save those and lose memories.
"""

from array import array
from collections import OrderedDict
from collections.abc import Collection, Sequence
from datetime import timedelta
from itertools import islice
from math import log1p
from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.adapters.memory.vectors import Numbers, numbers_of
from server.domain.ids import MemoryId
from server.domain.memory import Placed, Remembered, Vector, words_of
from server.domain.principal import Owner
from server.ports.memories import MemoryIndex
from server.ports.system import Clock

SIMILARITY: Final = 0.7
WORDS: Final = 0.3
"""What the two count for: closeness of the vectors; the share of the words asked for that occur, rare ones more."""
_MOST_WORDS: Final = 64
"""So many words of a question are looked up."""
_FIRST_ROOM: Final = 64
_MEMORIES: Final = 400_000
"""About 1.6 KB each."""

Scores = NDArray[np.float32]


class OwnerIndex:
    """See `ports.memories.MemoryIndex`.

    Memories have slots, in which they stay; one that changes gets a new slot, and its old one is void. When half of the
    slots are void the index empties itself, to be filled again.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._clear()

    def __len__(self) -> int:
        return len(self._slots)

    def apply(self, changes: Sequence[Remembered]) -> None:
        """Take in what came or changed."""
        for each in changes:
            self._drop(each.id)
            self._take(each)
            self.revision = each.revision
        self._empty_if_void()

    def retain(self, memory_ids: Collection[MemoryId]) -> None:
        """Drop the others."""
        for gone in self._slots.keys() - memory_ids:
            self._drop(gone)
        self._empty_if_void()

    def search(self, text: str, vector: Vector, *, limit: int) -> list[tuple[MemoryId, float]]:
        """The best first."""
        if not self._slots or limit <= 0:
            return []
        scores = self._similarities(vector)
        scores *= SIMILARITY
        self._add_shares(words_of(text), scores)
        scores[~self._alive[: len(scores)]] = 0.0
        if limit < len(scores):
            # Everything that is as good as the last one takes part, so that ids decide between equals.
            least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
            found = np.flatnonzero(scores >= max(least, np.finfo(np.float32).tiny))
        else:
            found = np.flatnonzero(scores > 0)
        best = sorted((-float(scores[slot]), self._held[slot].id) for slot in found)
        return [(identity, min(-score, 1.0)) for score, identity in best[:limit]]

    def outdated(self, embedder: str, *, limit: int) -> list[Placed]:
        """In the order in which they came."""
        if self._matrices.keys() <= {embedder}:
            return []
        others = (self._held[slot] for slot in self._slots.values() if self._held[slot].embedder != embedder)
        return list(islice(others, limit))

    def _clear(self) -> None:
        self._slots: dict[MemoryId, int] = {}
        self._held: list[Placed] = []
        self._alive = np.zeros(_FIRST_ROOM, dtype=np.bool_)
        self._matrices: dict[str, _Matrix] = {}
        self._words: dict[str, array[int]] = {}

    def _take(self, each: Remembered) -> None:
        slot = len(self._held)
        self._held.append(Placed(each.id, each.revision, each.vector.embedder))
        self._slots[each.id] = slot
        if slot == len(self._alive):
            self._alive = np.concatenate([self._alive, np.zeros_like(self._alive)])
        self._alive[slot] = True
        numbers = numbers_of(each.vector)
        matrix = self._matrices.setdefault(each.vector.embedder, _Matrix(len(numbers)))
        matrix.add(slot, numbers)
        for word in set(words_of(each.text)):
            self._words.setdefault(word, array("q")).append(slot)

    def _drop(self, identity: MemoryId) -> None:
        slot = self._slots.pop(identity, None)
        if slot is not None:
            self._alive[slot] = False

    def _empty_if_void(self) -> None:
        if len(self._held) > _FIRST_ROOM and len(self._slots) * 2 < len(self._held):
            self.revision = 0
            self._clear()

    def _similarities(self, vector: Vector) -> Scores:
        matrix = self._matrices.get(vector.embedder)
        if matrix is None:
            return np.zeros(len(self._held), dtype=np.float32)
        scores = matrix.products(numbers_of(vector), slots=len(self._held))
        return np.maximum(scores, 0.0, out=scores)

    def _add_shares(self, words: Sequence[str], scores: Scores) -> None:
        weights = {word: self._weight(word) for word in dict.fromkeys(words[:_MOST_WORDS])}
        total = sum(weights.values())
        for word, weight in weights.items():
            if (slots := self._words.get(word)) is not None:
                scores[np.frombuffer(slots, dtype=np.int64)] += np.float32(WORDS * weight / total)

    def _weight(self, word: str) -> float:
        """More for a rare word; that of an unknown one keeps memories without it from seeming complete."""
        return log1p(len(self._held) / (1 + len(self._words.get(word, ()))))


class _Matrix:
    """The vectors of one embedder, one below the other, and whose they are."""

    def __init__(self, dimensions: int) -> None:
        self._rows = np.zeros((_FIRST_ROOM, dimensions), dtype=np.float32)
        self._slots = array("q")

    def add(self, slot: int, numbers: Numbers) -> None:
        """Put the vector of a slot below the others. One of another length is like nothing."""
        if len(numbers) != self._rows.shape[1]:
            return
        if len(self._slots) == len(self._rows):
            larger = np.zeros((2 * len(self._rows), self._rows.shape[1]), dtype=np.float32)
            larger[: len(self._rows)] = self._rows
            self._rows = larger
        self._rows[len(self._slots)] = numbers
        self._slots.append(slot)

    def products(self, numbers: Numbers, *, slots: int) -> Scores:
        """How close each vector is to this one, by slot; 0 where there is none."""
        used = len(self._slots)
        if len(numbers) != self._rows.shape[1]:
            return np.zeros(slots, dtype=np.float32)
        products: Scores = self._rows[:used] @ numbers
        if used == slots:
            return products
        scores = np.zeros(slots, dtype=np.float32)
        scores[np.frombuffer(self._slots, dtype=np.int64)] = products
        return scores


class OwnerIndexes:
    """See `ports.memories.MemoryIndexes`."""

    def __init__(self, *, clock: Clock, most: int = _MEMORIES) -> None:
        """Hold about so many memories of all owners together; those of one owner in any case."""
        self._clock = clock
        self._most = most
        self._indexes: OrderedDict[Owner, OwnerIndex] = OrderedDict()
        self._asked: dict[Owner, float] = {}

    def of(self, owner: Owner) -> MemoryIndex:
        """The index of an owner."""
        index = self._indexes.setdefault(owner, OwnerIndex())
        self._indexes.move_to_end(owner)
        self._asked[owner] = self._clock.monotonic()
        while len(self._indexes) > 1 and sum(map(len, self._indexes.values())) + len(self._indexes) > self._most:
            self.forget(next(iter(self._indexes)))
        return index

    def forget(self, owner: Owner) -> None:
        """Give up an owner's."""
        self._indexes.pop(owner, None)
        self._asked.pop(owner, None)

    def forget_idle(self, idle: timedelta) -> None:
        """Give up those that nobody has asked for as long as that."""
        latest = self._clock.monotonic() - idle.total_seconds()
        while self._indexes and self._asked[longest := next(iter(self._indexes))] <= latest:
            self.forget(longest)
