"""What a tool server sends, before the SDK sees it: replies and requests pass, chatter does not.

The SDK starts a task for whatever arrives. A server that floods would fill the memory with them, so notifications end
here, all but one of no interest to anybody, and a server that asks and asks without taking the answers is cut off.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import anyio
import structlog
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

_log = structlog.get_logger(__name__)

TOOLS_CHANGED: Final = "notifications/tools/list_changed"
_MOST_QUESTIONS: Final = 64
"""Requests of a server that may wait for their refusal to be sent."""

_BREATH: Final = 32
"""Messages dropped in a row before others of the loop get their turn."""

Receive = Callable[[], Awaitable[SessionMessage | Exception | None]]
"""The next message of a transport, an error where there was none, `None` at the end."""
Send = Callable[[SessionMessage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Wire:
    """The two directions of a transport."""

    receive: Receive
    send: Send
    refusal: Callable[[], str | None] = lambda: None
    """Why it sends nothing, where that is for the operator to mend."""


class Questions:
    """How many requests of a server wait for their answers."""

    def __init__(self) -> None:
        self.open = 0


class Inbox:
    """A read stream as the SDK wants one."""

    def __init__(
        self,
        receive: Receive,
        *,
        server: str,
        questions: Questions,
        over: asyncio.Event,
        on_tools_changed: Callable[[], None],
    ) -> None:
        """`over` is set at the end, before anybody who waits for an answer hears of it."""
        self._receive = receive
        self._server = server
        self._questions = questions
        self._on_tools_changed = on_tools_changed
        self._dropped = 0
        self._over = over

    async def receive(self) -> SessionMessage | Exception:
        """The next message that matters. Raises `StopAsyncIteration` at the end."""
        return await self.__anext__()

    async def __anext__(self) -> SessionMessage | Exception:
        while (item := await self._receive()) is not None and not self._asks_too_much():
            if isinstance(item, SessionMessage) and self._matters(item):
                return item
            self._dropped += 1
            if not self._dropped % _BREATH:
                await asyncio.sleep(0)
        self._over.set()
        raise StopAsyncIteration

    def __aiter__(self) -> Self:
        return self

    async def aclose(self) -> None:
        """Nothing is held; says once how much was dropped."""
        if self._dropped:
            _log.debug("tool_server_chatter", server=self._server, messages=self._dropped)
            self._dropped = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _matters(self, item: SessionMessage) -> bool:
        message = item.message
        if isinstance(message, JSONRPCNotification):
            if message.method == TOOLS_CHANGED:
                self._on_tools_changed()
            return False
        if isinstance(message, JSONRPCRequest):
            self._questions.open += 1
        return True

    def _asks_too_much(self) -> bool:
        if self._questions.open <= _MOST_QUESTIONS:
            return False
        _log.warning("tool_server_cut_off", server=self._server, cause="it asks without taking the answers")
        return True


class NotSent(Exception):
    """A request did not leave: the server takes nothing any more."""


class Outbox:
    """A write stream as the SDK wants one."""

    def __init__(self, send: Send, *, questions: Questions, over: asyncio.Event) -> None:
        self._send = send
        self._questions = questions
        self._over = over

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message. When the server takes no more, raises `NotSent` for a request, which passes through the SDK
        to whoever makes it, and `anyio.BrokenResourceError` for the rest, which the SDK drops."""
        try:
            await self._send(item)
        except anyio.BrokenResourceError:
            self._over.set()
            if isinstance(item.message, JSONRPCRequest):
                raise NotSent from None
            raise
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            self._questions.open -= 1

    async def aclose(self) -> None:
        """Nothing is held."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""
