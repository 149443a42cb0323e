"""Ctrl-C and SIGTERM: the first asks for a clean end, the second ends at once."""

import asyncio
import os
import signal
from types import TracebackType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_EXIT_CODE_OF_A_SIGNAL: Final = 128


class StopSignal:
    """Waits for a signal. One that comes before anybody waits ends the task that entered the block: what is still
    being opened is not worth finishing. To be entered on the main thread, in the task that later waits."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._waiting = False
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._receive, number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    async def wait(self) -> None:
        """Return when a signal came."""
        self._waiting = True
        await self._asked.wait()

    def _receive(self, number: int) -> None:
        if self._asked.is_set():
            # Whatever is acknowledged is on the disk; what runs is taken up by the next start.
            os._exit(_EXIT_CODE_OF_A_SIGNAL + number)
        self._asked.set()
        if not self._waiting and self._task is not None:
            self._task.cancel()
