"""Tasks that belong to an object which is entered with `async with`."""

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import Context
from types import TracebackType
from typing import Any, TypeVar

_T = TypeVar("_T")


class OwnTasks(asyncio.TaskGroup):
    """A task group that its owner enters and leaves within its own `__aenter__` and `__aexit__`.

    Its tasks are there for the owner: on leaving, those that are left are cancelled and waited for. What makes the
    owner's block end is nothing to them: a plain group would wrap it, and whoever waits for that very exception would
    not know it again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._left: set[asyncio.Task[Any]] = set()

    def create_task(
        self,
        coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[_T]:
        """As of every task group. What the task raises ends the other tasks, and is raised on leaving."""
        try:
            task = super().create_task(coro, name=name, context=context)
        except RuntimeError:  # it is left, or was never entered; Python 3.11 forgets the coroutine then
            coro.close()
            raise
        self._left.add(task)
        task.add_done_callback(self._left.discard)
        return task

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what is left and wait for it. Raises only what tasks have raised."""
        for task in self._left:
            task.cancel()
        await super().__aexit__(None, None, None)
