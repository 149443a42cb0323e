"""What use cases ask of the engine that executes runs."""

from typing import Protocol

from server.domain.run import Lease, Run


class Worker(Protocol):
    """The worker of this process. Claims are made in the store; this is told of them after the commit."""

    def lease(self) -> Lease:
        """A fresh lease to write with a claim. Raises `ShuttingDown` while the worker drains."""
        ...

    def start(self, run: Run) -> None:
        """Execute a run that was claimed with this worker's lease. Returns at once."""
        ...

    def stop(self, run: Run) -> None:
        """The run was ended in the store: stop working on it, if this process does. Returns at once."""
        ...
