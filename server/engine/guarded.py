"""The answer of a model on its way into the log, without what the operator's rules do not allow."""

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing

from server.application.guard import Guard
from server.domain.guardrail_errors import ContentRefused, GuardrailUnavailable
from server.engine.spoken_call import spoken_texts
from server.ports.figures import Spoken
from server.ports.guardrails import Blocked, TextFilter
from server.ports.provider import (
    Piece,
    ProviderError,
    ProviderParts,
    ReasoningPiece,
    RequestedCall,
    TextPiece,
    ToolCallsPiece,
)

Spoke = TextPiece | ReasoningPiece


class AnswerWithheld(ProviderError):
    """The stream ends here, whatever the model had still to say: what came breaks a rule, or could not be judged."""


def guarded(pieces: AsyncGenerator[Piece, None], guard: Guard, *, most: int) -> AsyncGenerator[Piece, None]:
    """The pieces that may be stored and shown, each as soon as it may; `pieces` themselves when there are no rules.

    Text and reasoning are two texts, each judged as a whole. A tail that may come to break a rule is held back, at most
    `most` characters of both; that of the reasoning until the text begins. Tool calls are judged as a whole behind all
    text, and none leaves unless every one may. Raises `AnswerWithheld` behind the clean
    beginning of an answer that breaks a rule; `pieces` are closed by then.
    """
    return pieces if guard.is_open else _Guarded(guard, most).stream(pieces)


class _Guarded:
    """One answer."""

    def __init__(self, guard: Guard, most: int) -> None:
        self._guard = guard
        self._most = most
        # Reasoning comes first, and so does the rest of it.
        self._texts: dict[type[Spoke], _Growing] = {kind: _Growing(guard) for kind in (ReasoningPiece, TextPiece)}
        self._text_began = False
        self._held = 0

    async def stream(self, pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
        """See `guarded`."""
        async with aclosing(pieces):
            try:
                async for piece in pieces:
                    for allowed in self._next(piece):
                        yield allowed
                    if isinstance(piece, ToolCallsPiece):
                        await self._judge(piece.calls)
                        yield piece
            except AnswerWithheld:
                raise
            except ProviderError:
                for allowed in self._rest_of_failed():
                    yield allowed
                raise
            for allowed in self._rest():
                yield allowed

    def _next(self, piece: Piece) -> Iterator[Piece]:
        if isinstance(piece, ToolCallsPiece | ProviderParts):
            yield from self._rest()
        if not isinstance(piece, TextPiece | ReasoningPiece):
            if not isinstance(piece, ToolCallsPiece):
                yield piece
            return
        if isinstance(piece, TextPiece) and piece.text and not self._text_began:
            self._text_began = True
            yield from self._passed(ReasoningPiece, None)
        yield from self._passed(type(piece), piece.text)
        if self._held > self._most:
            yield from self._rest()
            raise AnswerWithheld("OUTPUT_TOO_LONG", "the answer is too long to be checked; set max_tokens")

    def _rest(self) -> Iterator[Piece]:
        """What is held back of an answer that is over."""
        for kind in self._texts:
            yield from self._passed(kind, None)

    def _rest_of_failed(self) -> Iterator[Piece]:
        """The same of one that came to no end: why it failed says more than that its last words are withheld."""
        try:
            yield from self._rest()
        except AnswerWithheld:
            return

    def _passed(self, kind: type[Spoke], text: str | None) -> Iterator[Piece]:
        """What may leave after another piece of a text, or after its end (`None`)."""
        growing = self._texts[kind]
        try:
            allowed = growing.end() if text is None else growing.add(text)
        except Blocked as blocked:
            if clean := growing.unseen(blocked.clean):
                yield kind(clean)
            self._guard.count_refused(Spoken.ANSWER, blocked.rule)
            raise self._refused() from None
        except Exception as error:  # noqa: BLE001 - whatever it is, the text is not judged and must not pass
            self._guard.count_failed(Spoken.ANSWER, error)
            raise _not_judged() from None
        self._held += len(text or "") - len(allowed)
        if allowed:
            yield kind(allowed)

    async def _judge(self, calls: Iterable[RequestedCall]) -> None:
        """Let tool calls pass. Raises `AnswerWithheld`."""
        try:
            for call in calls:
                await self._guard.check(*spoken_texts(call), spoken=Spoken.ANSWER)
        except ContentRefused:
            raise self._refused() from None
        except GuardrailUnavailable:
            raise _not_judged() from None

    def _refused(self) -> AnswerWithheld:
        return AnswerWithheld("ANSWER_REFUSED", self._guard.answer_message)


def _not_judged() -> AnswerWithheld:
    message = "the answer could not be checked against the rules of this service; send the message again"
    return AnswerWithheld("GUARDRAIL_UNAVAILABLE", message, retryable=True)


class _Growing:
    """One text of an answer. What comes behind its end continues it: a model that reasons again when it has begun to
    answer is judged by all of its reasoning, so that a rule cannot be broken in two halves."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._filter: TextFilter | None = guard.filter()
        self._pieces: list[str] = []
        self._ahead = 0

    def add(self, text: str) -> str:
        """What may leave after another piece. Raises `Blocked`, and what a broken filter raises."""
        if not text:
            return ""
        self._pieces.append(text)
        if self._filter is not None:
            return self.unseen(self._filter.add(text))
        self._filter = self._guard.filter()
        # All that came before has left, and will leave the new filter once more.
        self._ahead = sum(map(len, self._pieces)) - len(text)
        return self.unseen(self._filter.add("".join(self._pieces)))

    def end(self) -> str:
        """What is held back of a text that is over; nothing, if that has left. Raises what `add` does."""
        if not self._pieces:
            return ""
        ended, self._filter = self._filter, None
        return "" if ended is None else self.unseen(ended.end())

    def unseen(self, allowed: str) -> str:
        """What of a filter's next words has not left before."""
        seen = min(self._ahead, len(allowed))
        self._ahead -= seen
        return allowed[seen:]
