"""The embedder that needs no model: texts that share words, or parts of words, are close to each other.

Each word and each run of three characters in one is a feature, hashed to one of the vector's places and a sign (the
"hashing trick"; Weinberger et al., Feature Hashing for Large Scale Multitask Learning, 2009). It knows no meaning:
"car" and "automobile" have nothing in common. It is the same in every process, on every machine and in every version.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import numpy as np

from server.adapters.memory.vectors import vector_of
from server.domain.memory import Embedded, Vector, words_of

DIMENSIONS: Final = 384
_NAME: Final = f"hashing-{DIMENSIONS}"
_PART: Final = 3
_WHOLE_WORD: Final = 2.0
"""A word in common says more than a part of one."""


class HashingEmbedder:
    """See `ports.memories.Embedder`."""

    @property
    def name(self) -> str:
        """Changes whenever its vectors do."""
        return _NAME

    @property
    def model(self) -> None:
        """None is asked."""

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """About 0.1 ms for a sentence."""
        return Embedded([_vector(text) for text in texts])


def _vector(text: str) -> Vector:
    places = np.zeros(DIMENSIONS, dtype=np.float32)
    for (feature, weight), count in Counter(_features(text)).items():
        place, sign = _place(feature)
        # What is said ten times is not ten times as important.
        places[place] += sign * weight * (1.0 + np.log(count))
    return vector_of(_NAME, places)


def _features(text: str) -> Iterator[tuple[str, float]]:
    for word in words_of(text):
        yield word, _WHOLE_WORD
        marked = f"^{word}$"
        for begin in range(len(marked) - _PART + 1):
            yield f"#{marked[begin : begin + _PART]}", 1.0


@lru_cache(maxsize=65_536)
def _place(feature: str) -> tuple[int, float]:
    digest = int.from_bytes(blake2b(feature.encode(errors="replace"), digest_size=8).digest(), "little")
    return (digest >> 1) % DIMENSIONS, 1.0 if digest & 1 else -1.0
