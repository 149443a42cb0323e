"""Vectors as numbers, and as the bytes that are stored."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.domain.memory import Vector

Numbers = NDArray[np.float32]
Wide = NDArray[np.float64]
_STORED: Final = np.dtype("<f4")


def vector_of(embedder: str, numbers: Numbers | Wide) -> Vector:
    """The vector in that direction, of length 1; of nothing but zeros it stays one of zeros, which is like nothing.
    Works where the squares of the numbers would be too large or too small for four bytes."""
    wide = numbers.astype(np.float64)
    length = float(np.linalg.norm(wide))
    unit = wide / length if length > 0 else wide
    return Vector(embedder, unit.astype(_STORED).tobytes())


def numbers_of(vector: Vector) -> Numbers:
    """The numbers of a vector; not to be changed."""
    return np.frombuffer(vector.data, dtype=_STORED)
