"""How values are declared of which one call makes hundreds.

They are dataclasses with slots that nobody changes, and mypy refuses whoever tries. At run time they are not frozen:
Python sets each field of a frozen one by a call of its own. That makes a message take 1.5 us instead of 0.5, and a
page of a history has hundreds. Everything else in the domain is frozen at run time, too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:

    def value(*, frozen: bool, slots: bool) -> Callable[[type[T]], type[T]]:
        """Declare such a value. The arguments are those of `dataclass`, for mypy; equal values have equal hashes."""
        if not (frozen and slots):
            raise TypeError("a value is frozen and has slots")
        return dataclass(slots=True, unsafe_hash=True)


__all__ = ["value"]
