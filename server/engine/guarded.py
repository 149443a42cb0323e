"""The answer of a model on its way into the log, without what the operator's rules do not allow."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from server.application.guard import Guard
from server.ports.figures import Spoken
from server.ports.guardrails import Blocked, TextFilter
from server.ports.provider import CutShort, Piece, ProviderError, ReasoningPiece, TextPiece, UsageReport

Spoke = TextPiece | ReasoningPiece


class AnswerWithheld(ProviderError):
    """The stream ends here, whatever the model had still to say: what came breaks a rule, or could not be judged."""


def guarded(pieces: AsyncGenerator[Piece, None], guard: Guard, *, most: int) -> AsyncGenerator[Piece, None]:
    """The pieces that may be stored and shown, each as soon as it may; `pieces` themselves when there are no rules.

    Text and reasoning are two texts, each judged as a whole. A tail that may come to break a rule is held back, at most
    `most` characters of both. Raises `AnswerWithheld` behind the clean
    beginning of an answer that breaks a rule; `pieces` are closed by then.
    """
    return pieces if guard.is_open else _Guarded(guard, most).stream(pieces)


class _Guarded:
    """One answer."""

    def __init__(self, guard: Guard, most: int) -> None:
        self._guard = guard
        self._most = most
        # Reasoning comes first, and so does the rest of it.
        self._filters: dict[type[Spoke], TextFilter] = {kind: guard.filter() for kind in (ReasoningPiece, TextPiece)}
        self._held = 0

    async def stream(self, pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
        """See `guarded`."""
        async with aclosing(pieces):
            try:
                async for piece in pieces:
                    for allowed in self._next(piece):
                        yield allowed
            except AnswerWithheld:
                raise
            except ProviderError:
                for allowed in self._rest_of_failed():
                    yield allowed
                raise
            for allowed in self._rest():
                yield allowed

    def _next(self, piece: Piece) -> Iterator[Piece]:
        if isinstance(piece, UsageReport | CutShort):
            yield piece
            return
        yield from self._passed(type(piece), piece.text)
        if self._held > self._most:
            yield from self._rest()
            raise AnswerWithheld("OUTPUT_TOO_LONG", "the answer is too long to be checked; set max_tokens")

    def _rest(self) -> Iterator[Piece]:
        """What is held back of an answer that is over."""
        for kind in self._filters:
            yield from self._passed(kind, None)

    def _rest_of_failed(self) -> Iterator[Piece]:
        """The same of one that came to no end: why it failed says more than that its last words are withheld."""
        try:
            yield from self._rest()
        except AnswerWithheld:
            return

    def _passed(self, kind: type[Spoke], text: str | None) -> Iterator[Piece]:
        """What may leave after another piece of a text, or after its end (`None`)."""
        try:
            allowed = self._filters[kind].end() if text is None else self._filters[kind].add(text)
        except Blocked as blocked:
            if blocked.clean:
                yield kind(blocked.clean)
            self._guard.count_refused(Spoken.ANSWER, blocked.rule)
            raise AnswerWithheld("ANSWER_REFUSED", self._guard.answer_message) from None
        except Exception as error:  # noqa: BLE001 - whatever it is, the text is not judged and must not pass
            self._guard.count_failed(Spoken.ANSWER, error)
            message = "the answer could not be checked against the rules of this service; send the message again"
            raise AnswerWithheld("GUARDRAIL_UNAVAILABLE", message, retryable=True) from None
        self._held += len(text or "") - len(allowed)
        if allowed:
            yield kind(allowed)
