"""What use cases ask of the engine that executes runs."""

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from server.domain.run import Lease, Run

Result = TypeVar("Result")


class Worker(Protocol):
    """The worker of this process. Claims are made in the store; this is told of them after the commit."""

    def lease(self) -> Lease:
        """A fresh lease to write with a claim; made inside the unit that claims, on whatever thread that runs. Raises
        `ShuttingDown` while the worker drains."""
        ...

    async def uninterrupted(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of `work`, which comes to its end though the caller is cancelled meanwhile: what a unit has
        claimed or ended is then passed to `start` and `stop` whoever has left."""
        ...

    def start(self, run: Run) -> None:
        """Execute a run that was claimed with this worker's lease. Returns at once."""
        ...

    def stop(self, run: Run) -> None:
        """The run was ended in the store: stop working on it, if this process does. Returns at once."""
        ...
