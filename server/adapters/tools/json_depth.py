"""How deeply a JSON value is nested."""

from typing import Any, Final

MOST_DEPTH: Final = 24
"""How deep whatever strangers nest may be."""


def is_deeper(value: Any, most: int) -> bool:
    """Whether an object or array lies within more than `most` others, itself included. No recursion: the value may be
    as deep as its parser let it be."""
    level: list[Any] = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return any(isinstance(one, dict | list) for one in level)
