"""Runs a unit of work to its end without an event loop."""

from collections.abc import Awaitable
from typing import TypeVar

from server.adapters.store.errors import UnitSuspended

Result = TypeVar("Result")


def drive(unit: Awaitable[Result]) -> Result:
    """The result of a unit whose awaits all complete at once. Raises what it raises, and `UnitSuspended` when it waits
    for anything."""
    steps = unit.__await__()
    try:
        steps.send(None)
    except StopIteration as returned:
        result: Result = returned.value
        return result
    close = getattr(steps, "close", None)
    if close is not None:
        close()
    raise UnitSuspended
