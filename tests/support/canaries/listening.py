"""Hears what a process of the suite says, and what the server processes that it has started do.

Heard at the source, so that no transport and no reader of a log has to be asked: every line as `parley serve` would
write it at the level `debug`, every status with its details, every body of an error, every page of figures, the texts
of events that tell of a failure; of other processes, what they print and what a client of theirs is told.
"""

import functools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from structlog._base import BoundLoggerBase

from gateway.core.connect.errors import ConnectErrorWriter, ConnectStreamErrorWriter
from gateway.core.error_writer import ErrorReply, ErrorWriter
from server.adapters.store.events import StoredEvents
from server.adapters.store.messages import StoredMessages
from server.adapters.store.tool_calls import StoredToolCalls
from server.domain.events import Payload, RunEnded
from server.domain.message import Message
from server.domain.tool import ToolInvocation
from server.rpc import logs, status
from server.rpc.metrics import Metrics
from tests.support.canaries.watch import Watch

LOG, ERROR, METRICS, EVENT, PROCESS = "the log", "an error", "the metrics", "an event", "what a process prints"
_FIRST_ERROR = 400
_MARK_OF_GATEWAYS = "content-security-policy"
"""A header of all their replies, and of no provider's."""


@dataclass(slots=True)
class _Printed:
    """What a process prints, read as it grows. `shown` tells which secret it may print, as soon as there is one."""

    path: Path
    shown: Callable[[], str]
    read: int = 0

    def news(self) -> str:
        """What was printed since the last time, as far as it is still there."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as printed:
            printed.seek(self.read)
            found = printed.read()
        self.read += len(found)
        shown = self.shown()
        text = found.decode(errors="replace")
        return text.replace(shown, "") if shown else text


@dataclass(slots=True)
class Listening:
    """Ears on one process, from `start` to `stop`."""

    watch: Watch
    _printed: list[_Printed] = field(default_factory=list)
    _undo: list[Callable[[], None]] = field(default_factory=list)

    def start(self) -> None:
        """From now on everything is heard."""
        self._before(BoundLoggerBase, "_proxy_to_logger", self._line)
        self._before(logging.Logger, "handle", self._record)
        self._before(StoredMessages, "append", self._message)
        self._before(StoredMessages, "enqueue", self._message)
        self._before(StoredToolCalls, "add", self._calls)
        self._before(StoredEvents, "append", self._events)
        self._after(status, "status_of", lambda made: self.watch.saw(ERROR, _readable(made)))
        for writer in (ErrorWriter, ConnectErrorWriter, ConnectStreamErrorWriter):
            self._after(writer, "write", self._reply)
        self._after(Metrics, "render", lambda page: self.watch.saw(METRICS, page.decode()))
        self._after(httpx.Client, "send", self._response)
        self._after_await(httpx.AsyncClient, "send", self._response)

    def stop(self) -> None:
        """Hear nothing more."""
        while self._undo:
            self._undo.pop()()

    def read(self, path: Path, *, shown: Callable[[], str] = str) -> None:
        """Also hear what a process prints into a file; it may print the secret that `shown` tells."""
        self._printed.append(_Printed(path, shown))

    def catch_up(self) -> None:
        """Read what processes have printed since the last time; files that are gone are forgotten."""
        for printed in self._printed:
            self.watch.saw(PROCESS, printed.news())
        self._printed = [printed for printed in self._printed if printed.path.exists()]

    def _line(self, logger: Any, method: str, event: str | None = None, /, **fields: Any) -> None:
        line: Any = {**logger._context, **fields, "event": event}
        for process in logs.machine_chain():
            line = process(logger._logger, method, line)
        self.watch.saw(LOG, str(line))

    def _record(self, _: logging.Logger, record: logging.LogRecord) -> None:
        said = logging.makeLogRecord(vars(record))
        for change in logs.FILTERS:
            change(said)
        self.watch.saw(LOG, _FORMATTER.format(said))

    def _message(self, _: Any, message: Message) -> None:
        self.watch.wrote(message.content)
        self.watch.wrote(message.reasoning)

    def _calls(self, _: Any, calls: Iterable[ToolInvocation]) -> None:
        for call in calls:
            self.watch.wrote(call.arguments)

    def _events(self, _: Any, __: Any, payloads: Iterable[Payload], /, **___: Any) -> None:
        for payload in payloads:
            if isinstance(payload, RunEnded) and payload.message is not None:
                self.watch.saw(EVENT, f"{payload.reason} {payload.message}")

    def _reply(self, reply: ErrorReply) -> None:
        self.watch.saw(ERROR, reply.body.decode(errors="replace"))

    def _response(self, response: httpx.Response) -> None:
        if _MARK_OF_GATEWAYS not in response.headers or not response.is_closed:
            return
        if response.status_code >= _FIRST_ERROR:
            self.watch.saw(ERROR, response.text)
        elif response.url.path == "/metrics":
            self.watch.saw(METRICS, response.text)

    def _before(self, owner: Any, name: str, hear: Callable[..., None]) -> None:
        told = getattr(owner, name)

        @functools.wraps(told)
        def heard(*args: Any, **named: Any) -> Any:
            hear(*args, **named)
            return told(*args, **named)

        self._put(owner, name, heard)

    def _after(self, owner: Any, name: str, hear: Callable[[Any], None]) -> None:
        told = getattr(owner, name)

        @functools.wraps(told)
        def heard(*args: Any, **named: Any) -> Any:
            answer = told(*args, **named)
            hear(answer)
            return answer

        self._put(owner, name, heard)

    def _after_await(self, owner: Any, name: str, hear: Callable[[Any], None]) -> None:
        told = getattr(owner, name)

        @functools.wraps(told)
        async def heard(*args: Any, **named: Any) -> Any:
            answer = await told(*args, **named)
            hear(answer)
            return answer

        self._put(owner, name, heard)

    def _put(self, owner: Any, name: str, heard: Any) -> None:
        former = vars(owner)[name]
        setattr(owner, name, heard)
        self._undo.append(lambda: setattr(owner, name, former))


_FORMATTER = logs.formatter(logs.machine_chain())


def _readable(made: Any) -> str:
    """A status with its details, whose texts stand in their bytes as they are."""
    text: str = made.message + b" ".join(detail.value for detail in made.details).decode(errors="replace")
    return text
