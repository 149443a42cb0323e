"""Tasks that belong to an object which is entered with `async with`."""

import asyncio
from types import TracebackType


class OwnTasks(asyncio.TaskGroup):
    """A task group that its owner enters and leaves within its own `__aenter__` and `__aexit__`.

    What makes the owner's block end is nothing to the tasks: a plain group would cancel them for it and wrap it, and
    whoever waits for that very exception would not know it again. On leaving, the owner has ended what does not end by
    itself.
    """

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the tasks. Raises only what they raise."""
        await super().__aexit__(None, None, None)
