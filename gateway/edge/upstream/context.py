"""The servicer's view of an in-process call: `grpc.aio.ServicerContext` as the grpc server itself would hand it out."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import grpc
from grpc import aio

from gateway.core.metadata import Metadata, Metadatum
from gateway.edge.upstream.call import Invocation, Outcome, StreamSink

_LOGGER = logging.getLogger(__name__)
_CODES = {code.value[0]: code for code in grpc.StatusCode}
UNKNOWN = 2


class CallContext(aio.ServicerContext[Any, Any]):
    """State of one in-process call, and the methods with which a servicer reads and steers it.

    Texts of errors, the order of effects and what happens twice follow `grpc.aio`: an abort stands even if the servicer
    swallows its exception, metadata is sent once, a code set by the servicer is that of the reply.
    """

    def __init__(self, invocation: Invocation, deadline: float | None, sink: StreamSink | None) -> None:
        self._invocation = invocation
        self._deadline = deadline
        self._sink = sink
        self._code: int | None = None
        self._details = ""
        self._initial: Metadata = ()
        self._trailing: Metadata = ()
        self._initial_sent = False
        self._abort: aio.AbortError | None = None
        self._callbacks: list[Callable[[Any], None]] | None = None
        self._done = False
        self._cancelled = False

    # What the servicer reads.

    def invocation_metadata(self) -> Any:
        """Give the call's metadata as pairs."""
        return self._invocation.metadata

    def peer(self) -> str:
        """Name the HTTP client's address as grpc does: `ipv4:192.0.2.1:4711`, `ipv6:%5B::1%5D:4711`."""
        client = self._invocation.client
        if client is None:
            return "unknown"
        host, port = client
        return f"ipv6:%5B{host}%5D:{port}" if ":" in host else f"ipv4:{host}:{port}"

    def peer_identities(self) -> Iterable[bytes] | None:
        """Give None: the client is not identified by the transport."""
        return None

    def peer_identity_key(self) -> str | None:
        """Give None: the client is not identified by the transport."""
        return None

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Give nothing: the transport authenticates nobody."""
        return {}

    def time_remaining(self) -> float | None:  # type: ignore[override]  # None without a deadline, as grpc has it
        """Give the seconds until the deadline, at least 0, or None without one."""
        if self._deadline is None:
            return None
        return max(self._deadline - asyncio.get_running_loop().time(), 0.0)

    def code(self) -> grpc.StatusCode | None:  # type: ignore[override]  # None until set, as grpc has it
        """Give the status code set so far, or None."""
        return None if self._code is None else _CODES.get(self._code, grpc.StatusCode.UNKNOWN)

    def details(self) -> str:
        """Give the status text set so far."""
        return self._details

    def trailing_metadata(self) -> Any:
        """Give the trailing metadata set so far."""
        return self._trailing

    def cancelled(self) -> bool:
        """Say whether the call was cancelled: its client left, its deadline passed, or the server stops."""
        return self._cancelled

    def done(self) -> bool:
        """Say whether the call has ended."""
        return self._done

    # What the servicer steers.

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()) -> NoReturn:
        """End the call with this status; always raises."""
        if self._abort is not None:
            raise aio.UsageError("Abort already called!")
        number = _number(code)
        if number == 0:
            raise AssertionError("Expecting non-ok status code.")
        self._abort = aio.AbortError("Locally aborted.")
        if trailing_metadata:
            self._trailing = _checked(trailing_metadata)
        self._details = details or self._details
        self._code = number
        raise self._abort

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        """End the call with this status; always raises."""
        await self.abort(status.code, status.details, status.trailing_metadata)

    def set_code(self, code: grpc.StatusCode) -> None:
        """Set the status code of the reply."""
        self._code = _number(code)

    def set_details(self, details: str) -> None:
        """Set the status text of the reply."""
        self._details = details

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        """Set the trailing metadata of the reply."""
        self._trailing = _checked(trailing_metadata)

    async def send_initial_metadata(self, initial_metadata: Any) -> None:
        """Send the initial metadata; once, and before the first message."""
        self.raise_if_aborted()
        if self._initial_sent:
            raise aio.UsageError("Send initial metadata failed: already sent")
        self._initial_sent = True
        self._initial = _checked(initial_metadata)
        if self._sink is not None:
            self._sink.start(self._initial)

    def set_compression(self, compression: grpc.Compression) -> None:
        """Do nothing: there is no wire."""

    def disable_next_message_compression(self) -> None:
        """Do nothing: there is no wire."""

    async def read(self) -> Any:
        """Refuse: a unary call has its one request already, and a client stream is handed over as an iterator."""
        raise aio.UsageError("Both stream handler and unary handler are called with a request already read")

    async def write(self, message: Any) -> None:
        """Send one message of a stream; waits while the reader is behind."""
        self.raise_if_aborted()
        if self._done:
            raise aio.UsageError("RPC already finished.")
        if self._sink is None:
            raise aio.UsageError("Cannot write to a unary response")
        self._initial_sent = True
        if not self._sink.write(message):
            await self._sink.drained()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Have `callback` called with this context when the call has ended."""
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)

    # What the upstream does with it.

    def raise_if_aborted(self) -> None:
        """Raise again what `abort` raised: a servicer may not go on after it."""
        if self._abort is not None:
            raise self._abort

    def owns(self, error: BaseException) -> bool:
        """Say whether `error` is the exception of this call's own abort."""
        return error is self._abort

    @property
    def failed(self) -> bool:
        """Whether a status other than OK has been set."""
        return bool(self._code)

    def outcome(self) -> Outcome:
        """Give the end that the servicer asked for."""
        return Outcome(self._code or 0, self._details, self._initial, self._trailing)

    def crashed(self, text: str) -> Outcome:
        """Give the end of a call whose servicer raised: the code it had set, if any, else UNKNOWN."""
        return Outcome(self._code or UNKNOWN, text, self._initial, self._trailing)

    def end(self, *, cancelled: bool = False) -> None:
        """Mark the call as ended and run the callbacks; a second end changes nothing."""
        if self._done:
            return
        self._done = True
        self._cancelled = cancelled
        self._run_callbacks()
        self._let_go()

    def _run_callbacks(self) -> None:
        for callback in self._callbacks or ():
            try:
                callback(self)
            except Exception:  # noqa: BLE001 - a callback's failure is its author's to read about, not the client's
                _LOGGER.error("a done callback of %s failed", self._invocation.method.path)  # noqa: TRY400

    def _let_go(self) -> None:
        """Drop what leads back here, so that an ended call is freed at once and not when the collector comes by."""
        self._sink = self._callbacks = None
        if self._abort is not None:
            self._abort.__traceback__ = None


def _number(code: Any) -> int:
    """Give the number of a code, which grpc also accepts as a plain integer."""
    if isinstance(code, grpc.StatusCode):
        return int(code.value[0])
    return int(code) if code in _CODES else UNKNOWN


def _checked(metadata: Any) -> Metadata:
    """Give metadata as pairs, or raise what grpc raises for a wrong type."""
    try:
        return tuple([Metadatum(key, value) for key, value in metadata])
    except (TypeError, ValueError) as error:
        expected = "expected Tuple[Tuple[str, Union[str, bytes]]...]"
        raise TypeError(f"Invalid trailing metadata type, {expected}: {metadata!r}") from error
