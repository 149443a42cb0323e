"""Vectors have length 1, and the embedder that needs no model is the same everywhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.adapters.memory.hashing import DIMENSIONS, HashingEmbedder
from server.adapters.memory.vectors import numbers_of, vector_of

TOP = [(349, -0.4851), (27, 0.4851)]


async def test_the_vector_of_a_text_never_changes() -> None:
    (vector,) = (await HashingEmbedder().embed(["Tea, please"])).vectors
    numbers = numbers_of(vector)
    assert (vector.embedder, numbers.shape) == ("hashing-384", (DIMENSIONS,))
    # Stored vectors are compared with those of later versions: a change here needs another name.
    assert [(int(place), round(float(numbers[place]), 4)) for place in np.argsort(-np.abs(numbers))[:2]] == TOP


@given(st.text(max_size=200))
async def test_every_text_has_one(text: str) -> None:
    (vector,) = (await HashingEmbedder().embed([text])).vectors
    length = float(np.linalg.norm(numbers_of(vector)))
    assert length == pytest.approx(1, abs=1e-5) or length == 0


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=8))
def test_vectors_have_length_one(numbers: list[float]) -> None:
    length = float(np.linalg.norm(numbers_of(vector_of("x", np.array(numbers, dtype=np.float64)))))
    assert length == pytest.approx(1, abs=1e-5) or not any(numbers)


async def test_accents_and_case_do_not_matter() -> None:
    one, other = (await HashingEmbedder().embed(["Café ZÜRICH", "cafe zurich"])).vectors
    assert one == other
