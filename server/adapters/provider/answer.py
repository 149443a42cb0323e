"""Turns the bytes of a streamed chat completion into pieces, and knows when the answer is whole. No I/O.

The answer is whole at `data: [DONE]`, or when the body ends in order after a `finish_reason`: some servers and proxies
send no `[DONE]`, and a choice that has finished says nothing more. A body that ends with neither was cut.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from server.adapters.provider.call_assembly import CallAssembly
from server.adapters.provider.failures import Failures
from server.adapters.provider.parts_collection import PartsCollection
from server.adapters.provider.provider_parts import REASONING, parts_json
from server.adapters.provider.sse import SseLineTooLong, SseParser
from server.domain.message import Usage
from server.ports.provider import (
    CutShort,
    Piece,
    ProviderError,
    ProviderParts,
    ReasoningPiece,
    TextPiece,
    ToolCallsPiece,
    UsageReport,
)

_DONE: Final = b"[DONE]"
# PostgreSQL cannot store NUL in a text; a model has no business sending it.
_NUL: Final = "\x00"
_REPLACEMENT: Final = "\ufffd"
_CUTTING: Final = frozenset({"length", "content_filter"})
# What nearly every delta consists of; only one that holds something else is looked at more closely.
_PLAIN: Final = frozenset({"role", "content", "refusal", "reasoning", "reasoning_content"})
# Half of what the API's 32-bit fields hold, so that a sum of two fits.
_MOST_TOKENS: Final = 2**30 - 1


class Answer:
    """One answer while it comes in.

    Feed it the body as it comes, whatever the cuts. Text that comes in one feed is one piece: cost further on follows
    pieces, and what arrives together need not be told apart.
    """

    def __init__(self, *, failures: Failures, model: str, offered: Iterable[str] = ()) -> None:
        """`offered` are the names of the tools that the model may ask for; without any, what it asks for is not looked
        at."""
        self._failures = failures
        self._model = model
        self._parser = SseParser()
        self._finished = False
        self._usage: Usage | None = None
        self._offered = frozenset(offered)
        self._calls = CallAssembly(failures=failures)
        self._parts = PartsCollection()
        self.events = 0
        """Events seen, whatever they held: they show that the provider is at work."""
        self.is_cut_short = False
        """Whether the provider says that the model had more to say."""
        self.done = False
        """Whether the terminal marker was seen; what comes behind it is not looked at."""
        self.failure: ProviderError | None = None
        """What went wrong behind the pieces that were given; nothing behind it is looked at."""

    def feed(self, chunk: bytes) -> list[Piece]:
        """The pieces that `chunk` completes, in order. Look at `failure` and `done` when they are used."""
        pieces: list[Piece] = []
        if self.done or self.failure:
            return pieces
        try:
            for data in self._parser.feed(chunk):
                self.events += 1
                if data == _DONE:
                    self.done = True
                    break
                self._add(data, pieces)
        except SseLineTooLong:
            self.failure = self._failures.malformed("an event of more than 1 MiB")
        except ProviderError as error:
            self.failure = error
        return pieces

    def end(self) -> None:
        """The body ended in order. Raises `ProviderError` when that was too early."""
        if not self.done and not self._finished:
            raise self._failures.cut()

    def rest(self) -> Iterator[Piece]:
        """The pieces behind all text of an answer that came to its end: what it asks for and what goes with it, whether
        it was cut short, what it cost."""
        for piece in (self.asked(), self.provider_parts(), CutShort() if self.is_cut_short else None, self.usage()):
            if piece is not None:
                yield piece

    @property
    def has_begun_to_ask(self) -> bool:
        """Whether anything of a tool call has come: it is no piece before the answer is whole."""
        return self._calls.has_begun

    def asked(self) -> ToolCallsPiece | None:
        """The tool calls of an answer that came to its end, if there are any."""
        calls = self._calls.calls(self._offered, is_cut_short=self.is_cut_short)
        return ToolCallsPiece(calls) if calls else None

    def provider_parts(self) -> ProviderParts | None:
        """What the provider wants to see again with an answer that came to its end, if there is anything."""
        json = parts_json(self._parts.fields(), self._calls.parts())
        return ProviderParts(json) if json else None

    def usage(self) -> UsageReport | None:
        """What the provider counted, the last of its reports, if it sent any."""
        return None if self._usage is None else UsageReport(self._usage)

    def _add(self, data: bytes, pieces: list[Piece]) -> None:
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise self._failures.malformed("an event that is not JSON") from None
        if not isinstance(event, dict):
            raise self._failures.malformed("an event that is not an object")
        if event.get("error"):
            raise self._failures.reported(event["error"], self._model)
        usage = event.get("usage")
        if usage:
            self._usage = _usage(usage) or self._usage
        choices = event.get("choices")
        if choices:
            self._choice(choices, pieces)

    def _choice(self, choices: Any, pieces: list[Piece]) -> None:
        try:
            choice = choices[0]
            delta = choice.get("delta") or self._whole(choice.get("message"))
            finish_reason = choice.get("finish_reason")
            reasoning = _thought(delta.get("reasoning_content")) or _thought(delta.get("reasoning"))
            text = delta.get("content") or delta.get("refusal")
        except (AttributeError, LookupError, TypeError):
            raise self._failures.malformed("an event whose choices are not those of a chat completion") from None
        if not _PLAIN.issuperset(delta):
            self._look_closer(delta)
        if reasoning:
            if self._offered and delta.get(REASONING):
                self._parts.think(reasoning)
            _append(pieces, ReasoningPiece, self._text(reasoning))
        if text:
            _append(pieces, TextPiece, self._text(text))
        if finish_reason == "error":
            raise self._failures.reported(choice.get("error"), self._model)
        if finish_reason:
            self._finished = True
            self.is_cut_short = finish_reason in _CUTTING

    def _look_closer(self, delta: dict[str, Any]) -> None:
        """Look at what a delta holds besides text."""
        self._parts.add(delta)
        if not self._offered:
            return
        if calls := delta.get("tool_calls"):
            self._calls.add(calls)
        elif call := delta.get("function_call"):  # as it was before there could be several
            self._calls.add([{"index": 0, "function": call}])

    def _whole(self, message: Any) -> dict[str, Any]:
        """Look at the whole message that some servers send at the end: its text has come before, the rest perhaps not.
        What is left to look at is nothing."""
        if message and self._offered and (calls := message.get("tool_calls")):
            self._calls.add_whole(calls)
        if message and self._parts.is_empty:
            self._parts.add(message)
        return {}

    def _text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self._failures.malformed("a delta that is not text")
        return value.replace(_NUL, _REPLACEMENT) if _NUL in value else value


def _append(pieces: list[Piece], kind: type[TextPiece | ReasoningPiece], text: str) -> None:
    last = pieces[-1] if pieces else None
    if type(last) is kind:
        pieces[-1] = kind(last.text + text)
    else:
        pieces.append(kind(text))


def _thought(value: Any) -> Any:
    """The text of a thought: itself, or a member of the object that some servers send. One in a form that nobody knows
    is passed over, for no answer fails for want of what was thought before it."""
    if isinstance(value, dict):
        value = value.get("text") or value.get("content")
    return value if isinstance(value, str) else None


def _usage(value: Any) -> Usage | None:
    """The counts, if they are numbers; a provider that counts oddly is not worth failing an answer for."""
    if not isinstance(value, dict):
        return None
    prompt, completion = _count(value.get("prompt_tokens")), _count(value.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    total = _count(value.get("total_tokens"))
    details = value.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Usage(prompt, completion, prompt + completion if total is None else total, cached)


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
