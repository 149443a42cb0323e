"""A tool server's process: started in a session of its own, and at the end gone with everything it started."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final, cast

import structlog

from server.adapters.tools.environment import child_environment
from server.adapters.tools.lines import LineSplitter, LineTooLong
from server.adapters.tools.server_config import StdioEndpoint

_log = structlog.get_logger(__name__)

_INPUT, _OUTPUT, _ERRORS = 0, 1, 2
_PATIENCE: Final = 1.0
"""Seconds a server has to end by itself once its input is closed, and again once it is asked to."""
_AFTER_EXIT: Final = 0.25
"""Seconds in which the output of a process that has ended must end: something it left behind may hold it open."""
_READ_AHEAD: Final = 1 << 20
"""Bytes of whole lines that are kept before the process has to wait."""
_UNSENT: Final = 8 << 20
"""Bytes that a process may leave unread in its input before it counts as stuck."""


class Child(asyncio.SubprocessProtocol):
    """A running program whose output is read as lines. What it writes to its standard error is counted, not kept."""

    def __init__(self, *, most_line_bytes: int) -> None:
        self._splitter = LineSplitter(most_bytes=most_line_bytes)
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        self._news = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None
        self._is_paused = False
        self._is_over = False
        self._exited = asyncio.Event()
        self._gone = asyncio.Event()
        self.complaints = 0
        """Bytes it wrote to its standard error."""

    async def line(self) -> bytes | None:
        """The next line of its output; `None` once there will be no more."""
        while not self._lines:
            if self._is_over:
                return None
            self._news.clear()
            await self._news.wait()
        line = self._lines.popleft()
        self._waiting -= len(line)
        self._go_on()
        return line

    def write(self, data: bytes) -> bool:
        """Hand bytes to its input. `False` when it takes no more: it has ended or does not read."""
        pipe = self._pipe(_INPUT)
        if self._is_over or pipe is None or pipe.is_closing():
            return False
        writer = cast("asyncio.WriteTransport", pipe)
        if writer.get_write_buffer_size() > _UNSENT:
            self._finish()
            return False
        writer.write(data)
        return True

    async def end(self) -> None:
        """End it, and whatever it started: close its input, then ask its whole group, then kill that."""
        self._finish()
        pipe = self._pipe(_INPUT)
        if pipe is not None:
            pipe.close()
        if not await _within(self._exited, _PATIENCE):
            self._signal(signal.SIGTERM)
            await _within(self._exited, _PATIENCE)
        # Also when it has ended: what it started may not have.
        self._signal(signal.SIGKILL)
        await _within(self._exited, _PATIENCE)
        if self._transport is not None:
            self._transport.close()
        await _within(self._gone, _PATIENCE)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process runs."""
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep the lines of its output. One that is too long ends the connection."""
        if fd == _ERRORS:
            self.complaints += len(data)
        if fd != _OUTPUT or self._is_over:
            return
        try:
            lines = self._splitter.feed(data)
        except LineTooLong:
            self._finish()
            return
        self._lines.extend(lines)
        self._waiting += sum(map(len, lines))
        self._hold_back()
        self._news.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """It closed its output, or stopped reading its input: either way nobody speaks to it any more."""
        if fd != _ERRORS:
            self._finish()

    def process_exited(self) -> None:
        """Let its last words come, but not wait for what it left behind."""
        self._exited.set()
        asyncio.get_running_loop().call_later(_AFTER_EXIT, self._finish)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Every pipe is closed and the process is gone."""
        self._gone.set()

    def _finish(self) -> None:
        """Take no more lines. Its output is read on and thrown away, so that it can end."""
        self._is_over = True
        self._news.set()
        self._read_on()

    def _hold_back(self) -> None:
        pipe = self._pipe(_OUTPUT)
        if self._waiting > _READ_AHEAD and not self._is_paused and pipe is not None:
            self._is_paused = True
            cast("asyncio.ReadTransport", pipe).pause_reading()

    def _go_on(self) -> None:
        if self._waiting <= _READ_AHEAD:
            self._read_on()

    def _read_on(self) -> None:
        pipe = self._pipe(_OUTPUT)
        if self._is_paused and pipe is not None and not pipe.is_closing():
            self._is_paused = False
            cast("asyncio.ReadTransport", pipe).resume_reading()

    def _pipe(self, fd: int) -> asyncio.BaseTransport | None:
        return None if self._transport is None else self._transport.get_pipe_transport(fd)

    def _signal(self, number: signal.Signals) -> None:
        # The group's id is the process's, for it was started as a session's leader.
        if self._transport is not None and (pid := self._transport.get_pid()):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)


@asynccontextmanager
async def running_child(endpoint: StdioEndpoint, *, server: str, most_line_bytes: int) -> AsyncGenerator[Child, None]:
    """The endpoint's program, ended on leaving. Raises `OSError` when it cannot be started."""
    _, child = await asyncio.get_running_loop().subprocess_exec(
        lambda: Child(most_line_bytes=most_line_bytes),
        *endpoint.argv,
        env=child_environment(endpoint.env, os.environ),
        cwd=endpoint.cwd,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        # Shielded from one more cancellation: a process that is given up here lives on for ever.
        await asyncio.shield(child.end())
        if child.complaints:
            _log.debug("tool_server_complained", server=server, bytes=child.complaints)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
