"""Lets an answer through while it grows, except what breaks a rule."""

from collections.abc import Iterable

from server.adapters.guardrails.literals import Literals
from server.adapters.guardrails.match import Match
from server.adapters.guardrails.patterns import Patterns
from server.ports.guardrails import Blocked

# While all of an answer is held back, it is searched each time it has grown by half: linear in its length.
_GROWTH = 1.5


class AnswerFilter:
    """See `ports.guardrails.TextFilter`. Places are counted in characters of the whole text; kept of it are what is
    held back, and the one character before, which anchors look at."""

    def __init__(self, literals: Literals, patterns: Patterns) -> None:
        self._literals = literals.scanner()
        self._patterns = patterns
        self._before = ""
        self._held = ""
        self._begin = 0
        """Where `_held` begins: how much has left."""
        self._searched_at = 0

    def add(self, text: str) -> str:
        """Take the next piece; returns what may leave now. Raises `Blocked`."""
        self._held += text
        self._refuse([self._literals.add(text), self._find_pattern(is_whole=False)])
        held_back = self._patterns.held_back
        if held_back is None:
            return ""
        end = self._begin + len(self._held)
        return self._release(min(self._literals.undecided(), end - held_back))

    def end(self) -> str:
        """The text is whole; returns the rest. Raises `Blocked`."""
        end = self._begin + len(self._held)
        self._refuse([self._literals.cut(end), self._find_pattern(is_whole=True)])
        return self._take(end)

    def _refuse(self, found: Iterable[Match | None]) -> None:
        matches = [match for match in found if match is not None]
        if matches:
            first = min(matches, key=lambda match: match.start)
            raise Blocked(first.rule, self._release(first.start))

    def _find_pattern(self, *, is_whole: bool) -> Match | None:
        if not is_whole and self._patterns.held_back is None:
            if len(self._held) < self._searched_at * _GROWTH:
                return None
            self._searched_at = len(self._held)
        before = len(self._before)
        match = self._patterns.find(self._before + self._held, before, is_whole=is_whole)
        return None if match is None else Match(match.start + self._begin - before, match.rule)

    def _release(self, upto: int) -> str:
        """What may leave of the text before a place: as much as breaks no rule when the text ends there."""
        while upto > self._begin:
            start = self._cut(upto)
            if start is None:
                return self._take(upto)
            upto = min(start, upto - 1)
        return ""

    def _cut(self, at: int) -> int | None:
        """Where a match begins that there is because the text ends at a place."""
        literal = self._literals.cut(at)
        if literal is not None:
            return literal.start
        before = len(self._before)
        start = self._patterns.cut(self._before + self._held[: at - self._begin], before)
        return None if start is None else start + self._begin - before

    def _take(self, upto: int) -> str:
        count = upto - self._begin
        if not count:
            return ""
        taken, self._held = self._held[:count], self._held[count:]
        self._before = taken[-1]
        self._begin = upto
        self._literals.forget(upto)
        return taken
