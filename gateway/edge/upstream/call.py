"""What a call is, and the Protocol of what carries it out: the port between the edge and the two upstream forms."""

from dataclasses import dataclass
from typing import Any, Protocol

from gateway.core.metadata import Metadata
from gateway.core.method import Method

OK = 0
UNEXPECTED = "Unexpected error in the service."
"""Said instead of an exception's text, which may hold anything and is for the log of the service only."""
UNAVAILABLE_TEXT = "The service is unavailable."
STOPPING = "Cancelling all calls"
"""What grpc says of calls that a stopping server ends."""


@dataclass(slots=True)
class Invocation:
    """One call about to be made. The upstream owns `request` from here on: the caller keeps no hand on it."""

    method: Method
    request: Any
    """A message of the method's request class, or bytes; for a client stream an asynchronous iterator of them, none of
    which is over the message limit."""
    metadata: Metadata = ()
    timeout: float | None = None
    """Seconds until DEADLINE_EXCEEDED; None: none."""
    client: tuple[str, int] | None = None
    """Address of the HTTP client, where known; the in-process form shows it as `context.peer()`."""


@dataclass(slots=True)
class Outcome:
    """How a call ended: the status, and the metadata of the reply."""

    code: int = OK
    """Number of the gRPC status code."""
    message: str = ""
    """Text of the status, safe to show: never that of an exception."""
    initial: Metadata = ()
    trailing: Metadata = ()


@dataclass(slots=True)
class UnaryReply:
    """Reply of a unary call; `message` is None unless the outcome is OK."""

    outcome: Outcome
    message: Any = None


class StreamSink(Protocol):
    """Takes what a stream brings, in order. Called on the event loop; all but `drained` return at once."""

    def start(self, initial: Metadata) -> None:
        """Take the initial metadata; called at most once, before the first message."""

    def write(self, message: Any) -> bool:
        """Take one message and read it to its end before returning: the servicer may change and send it again.

        False means full: the upstream asks for no further message until `drained` returns.
        """

    async def drained(self) -> None:
        """Return when there is room again."""

    def finish(self, outcome: Outcome) -> None:
        """Take the end of the stream; called exactly once unless the stream is cancelled, and last of all."""


class StreamCall(Protocol):
    """A server stream under way."""

    def cancel(self) -> None:
        """Say that the client is gone: the call is cancelled, and the sink hears no more. Safe to repeat."""


class Upstream(Protocol):
    """Carries calls to a service.

    Both forms keep the same promises. A deadline that passes ends the call with DEADLINE_EXCEEDED at once, whatever the
    servicer does with its cancellation. Cancelling the task that awaits `unary` cancels the call, as does
    `StreamCall.cancel`: the servicer's task is cancelled even while it waits. Messages over the message limit, either
    way, end it with RESOURCE_EXHAUSTED, as does reply metadata over 8 KiB. A servicer's exception ends it with UNKNOWN
    and a fixed sentence. A server that stops ends it with UNAVAILABLE. A stream is read no faster than its sink drains.
    Failures of a call are outcomes, never exceptions.
    """

    async def unary(self, invocation: Invocation) -> UnaryReply:
        """Make a unary call and wait for its end."""

    def stream(self, invocation: Invocation, sink: StreamSink) -> StreamCall:
        """Start a server-streaming call whose messages and end go to `sink`."""
