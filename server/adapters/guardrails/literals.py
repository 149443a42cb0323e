"""Words and phrases: what they are made of, and the scanner that follows them through a text in pieces.

Rules and text are folded (see `folding`) and read as symbols: the folded characters, and marks where a word begins and
where it ends. A word that is a rule carries both marks of its own, so that it matches whole tokens; a phrase only those
between its words. A match whose last symbol is a character counts once the next character does not make another letter
of it.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from server.adapters.guardrails.automaton import ROOT, Automaton
from server.adapters.guardrails.folding import folded, folded_characters, is_of_word
from server.adapters.guardrails.match import Match
from server.ports.guardrails import Rule, RuleKind

# Folding leaves no control characters in a text.
_BEGIN: Final = "\x02"
_END: Final = "\x03"
_STRETCH: Final = 16 * 1024


class Literals:
    """Words and phrases of a configuration, immutable."""

    def __init__(self, rules: Sequence[tuple[Rule, str]]) -> None:
        self.rules = tuple(rule for rule, _ in rules)
        self.sequences = tuple(symbols(text, whole_tokens=rule.kind is RuleKind.WORD) for rule, text in rules)
        self.automaton = Automaton(self.sequences)

    def scanner(self) -> "LiteralScanner":
        """A scanner for one text."""
        return LiteralScanner(self)


def symbols(text: str, *, whole_tokens: bool) -> str:
    """A rule as symbols; empty when nothing of it is left by folding. White space around it does not count."""
    plain = folded(text).strip()
    read: list[str] = []
    in_word = bool(plain) and not whole_tokens and is_of_word(plain[0])
    for character in plain:
        if is_of_word(character) is not in_word:
            in_word = not in_word
            read.append(_BEGIN if in_word else _END)
        read.append(character)
    if whole_tokens and in_word:
        read.append(_END)
    return "".join(read)


class _State(NamedTuple):
    """What the scanner knows behind a character of the text."""

    node: int = ROOT
    in_word: bool = False
    behind_space: bool = False
    read: int = 0
    """How many symbols were read."""
    waiting: Match | None = None
    """A match that counts unless the next character continues its last letter."""


class LiteralScanner:
    """Follows one text. Remembers what it knew behind each character since the last `forget`: so far back the text may
    be cut, and so far back a match may begin."""

    def __init__(self, literals: Literals) -> None:
        self._rules = literals.rules
        self._sequences = literals.sequences
        self._automaton = literals.automaton
        self._states = [_State()]
        self._begin = 0
        """The character behind which the first of the states was."""
        self._origins: list[int] = []
        """By symbol: the character that it is read from."""
        self._forgotten = 0
        """How many symbols are no longer among these."""

    def add(self, text: str) -> Match | None:
        """Read on; returns the first match that nothing can change any more, and then has not read further."""
        step, found = self._automaton.step, self._automaton.found
        origins, states = self._origins, self._states
        if not self._sequences:
            states.extend(states[-1:] * len(text))
            return None
        node, in_word, behind_space, read, waiting = states[-1]
        for at, character in enumerate(text, self._begin + len(states) - 1):
            for one, of_word, continues_letter in folded_characters(character):
                if behind_space and one == " ":
                    continue
                if waiting is not None:
                    if not continues_letter:
                        return waiting
                    waiting = None
                if of_word is not in_word:
                    node = step(node, _BEGIN if of_word else _END)
                    in_word = of_word
                    read += 1
                    origins.append(at)
                    if found[node] is not None:
                        return self._match(node, read)
                node = step(node, one)
                behind_space = one == " "
                read += 1
                origins.append(at)
                if found[node] is not None:
                    waiting = self._match(node, read)
            states.append(_State(node, in_word, behind_space, read, waiting))
        return None

    def whole(self, text: str) -> Match | None:
        """The first match of a text that ends with this, without remembering all of it."""
        for start in range(0, len(text), _STRETCH):
            match = self.add(text[start : start + _STRETCH])
            if match is not None:
                return match
            self.forget(self.undecided())
        return self.cut(self._begin + len(self._states) - 1)

    def undecided(self) -> int:
        """Where the longest tail begins that may become a match."""
        last = self._states[-1]
        return self._origin(last.read - self._automaton.depth[last.node])

    def cut(self, at: int) -> Match | None:
        """The match that ends the text if it ends at that place."""
        state = self._states[at - self._begin]
        if state.waiting is not None:
            return state.waiting
        if state.in_word:
            return self._match(self._automaton.step(state.node, _END), state.read + 1)
        return None

    def forget(self, before: int) -> None:
        """The text before that place is not asked for again; it must not lie behind `undecided`."""
        del self._states[: before - self._begin]
        self._begin = before
        first = self._states[0]
        oldest = first.read - self._automaton.depth[first.node]
        del self._origins[: oldest - self._forgotten]
        self._forgotten = max(oldest, self._forgotten)

    def _match(self, node: int, read: int) -> Match | None:
        index = self._automaton.found[node]
        if index is None:
            return None
        return Match(self._origin(read - len(self._sequences[index])), self._rules[index])

    def _origin(self, symbol: int) -> int:
        place = symbol - self._forgotten
        if place >= len(self._origins):
            return self._begin + len(self._states) - 1
        return self._origins[place] if place >= 0 else self._begin
