"""What the scripted model server answers to one request, down to the bytes and how they come.

answer("Hel", "lo")                         a whole answer with usage
answer("Hel", gate, "lo")                   held where the gate stands until the test opens it
answer(Reasoning("hm"), "yes", usage=None)  reasoning first; no usage
answer(Delta({"tool_calls": […]}))          an event with any other delta
answer("Hel", FIN)                          the connection closes in the middle (`RESET`: it breaks)
answer("Hel", HANG)                         silence until the client goes away
answer("Hel", Endless("x"))                 text for ever
answer("Hel", Pause(0.01), "lo")            real time passes (not for assertions)
answer("Hel", b"data: {nonsense\\n\\n")       bytes in the body as they are
refusal(429, message="slow down", headers={"Retry-After": "7"})
silence()                                   a request that is never answered
raw(b"not HTTP", FIN)                       bytes on the socket as they are
answer("Hello").sliced(3)                   written three bytes at a time
answer("Hello").cut(200)                    the connection closes behind byte 200 (`then=RESET`: it breaks)
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from tests.support.upstream import wire
from tests.support.upstream.gate import Gate


class End(Enum):
    """How a script ends other than well."""

    FIN = "close the connection"
    RESET = "break the connection"
    HANG = "say nothing until the client goes away"


FIN, RESET, HANG = End.FIN, End.RESET, End.HANG


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for real seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of what the model thinks; `field` is the delta's member for it."""

    text: str
    field: str = "reasoning_content"


@dataclass(frozen=True, slots=True)
class Delta:
    """An event whose delta has exactly these members."""

    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Endless:
    """The same for ever, until the client goes away."""

    part: str | bytes


Step = bytes | Gate | Pause | End | Endless
"""What happens on the socket; `Endless` repeats bytes."""
Part = str | bytes | Reasoning | Delta | Gate | Pause | End | Endless
"""What happens in an answer: text, reasoning and deltas become events, bytes stand in the body as they are."""


@dataclass(frozen=True, slots=True)
class Script:
    """The answer to one request."""

    steps: tuple[Step, ...]
    slice_bytes: int | None = None
    cut_at: int | None = None
    cut_by: End = FIN

    def sliced(self, count: int) -> "Script":
        """Written `count` bytes at a time, with a turn of the loop after each."""
        return replace(self, slice_bytes=count)

    def cut(self, at: int, *, then: End = FIN) -> "Script":
        """Ended behind byte `at` of the response, its head included."""
        return replace(self, cut_at=at, cut_by=then)

    @property
    def size(self) -> int:
        """Bytes of the whole response, its head included; `Endless` counts once."""
        return sum(len(_bytes(step)) for step in self.steps)


def answer(
    *parts: Part,
    usage: tuple[int, int] | None = (7, 5),
    finish_reason: str | None = "stop",
    done: bool = True,
    content_type: str = "text/event-stream",
    headers: Mapping[str, str] | None = None,
) -> Script:
    """A streamed chat completion. Behind the parts come the `finish_reason`, the `usage` (tokens of prompt and answer)
    and `[DONE]`, each unless it is `None` or false; with `End` among the parts nothing comes behind that."""
    body: list[Step] = [_in_body(part) for part in parts]
    if finish_reason is not None:
        body.append(_event(wire.completion_chunk({}, finish_reason=finish_reason)))
    if usage is not None:
        body.append(_event(wire.usage_chunk(*usage)))
    if done:
        body.append(wire.framed(wire.DONE))
    shown = {"Content-Type": content_type, "Transfer-Encoding": "chunked", **(headers or {})}
    return Script((wire.head(200, shown), *body, wire.framed(b"")))


def refusal(
    status: int,
    *,
    message: str = "no",
    code: str | int | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    content_type: str = "application/json",
) -> Script:
    """An answer at once with a length: OpenAI's error object unless `body` is given."""
    content = wire.json_bytes({"error": {"message": message, "type": None, "code": code}}) if body is None else body
    shown = {"Content-Type": content_type, "Content-Length": str(len(content)), **(headers or {})}
    return Script((wire.head(status, shown), content))


def silence() -> Script:
    """No byte, not even a status."""
    return Script((HANG,))


def raw(*steps: Step) -> Script:
    """Exactly these bytes and events on the socket."""
    return Script(steps)


def stream(*parts: Part, headers: Mapping[str, str] | None = None) -> Script:
    """An answer that ends with its parts: no `finish_reason`, usage or `[DONE]`, but an orderly end of the body."""
    return answer(*parts, usage=None, finish_reason=None, done=False, headers=headers)


def _in_body(part: Part) -> Step:
    match part:
        case str():
            return _event(wire.completion_chunk({"content": part}))
        case bytes():
            return wire.framed(part)
        case Reasoning(text, field):
            return _event(wire.completion_chunk({field: text}))
        case Delta(members):
            return _event(wire.completion_chunk(members))
        case Endless(repeated):
            inner = _in_body(repeated)
            return Endless(_bytes(inner))
        case _:
            return part


def _event(payload: Any) -> bytes:
    return wire.framed(wire.event(payload))


def _bytes(step: Step) -> bytes:
    match step:
        case bytes():
            return step
        case Endless(bytes() as part):
            return part
        case _:
            return b""
