"""The rules of a configuration, compiled."""

import hashlib
import json
from collections.abc import Sequence
from typing import Final

import re2  # type: ignore[import-untyped]  # ships no stubs

from server.adapters.guardrails.filter import AnswerFilter
from server.adapters.guardrails.folding import folded
from server.adapters.guardrails.literals import Literals
from server.adapters.guardrails.patterns import InvalidPattern, Pattern, Patterns, compiled, searchable
from server.ports.guardrails import Rule, RuleKind, TextFilter

# Part of the version: to be changed with what the same rules mean.
_MEANING: Final = 1
_MEMORY: Final = 64 << 20


class CompiledRules:
    """See `ports.guardrails.Guardrails`."""

    def __init__(self, rules: Sequence[tuple[Rule, str]]) -> None:
        """`rules` with their texts. Raises `InvalidPattern` for a pattern that RE2 does not take, and for so many words
        that it does not take all of them."""
        literals = [(rule, text) for rule, text in rules if rule.kind is not RuleKind.PATTERN]
        self._literals = Literals(literals)
        self._patterns = Patterns([Pattern(rule, text) for rule, text in rules if rule.kind is RuleKind.PATTERN])
        self._any_literal = _any_of([folded(text).strip() for _, text in literals])
        meaning = json.dumps([_MEANING, *sorted([rule.kind.value, text] for rule, text in rules)])
        self._version = hashlib.sha256(meaning.encode(errors="surrogatepass")).hexdigest()

    @property
    def version(self) -> str:
        """A digest of the rules."""
        return self._version

    @property
    def holds_whole_answers(self) -> bool:
        """Whether a pattern has no longest match, so that nothing of an answer leaves before its end."""
        return self._patterns.held_back is None

    def broken_by(self, text: str) -> Rule | None:
        """A rule that a whole text breaks."""
        match = self._patterns.find(text, 0, is_whole=True)
        if match is not None:
            return match.rule
        # RE2 reads text a hundred times as fast as the scanner and finds every candidate.
        if self._any_literal is None or self._any_literal.search(searchable(folded(text))) is None:
            return None
        match = self._literals.scanner().whole(text)
        return None if match is None else match.rule

    def filter(self) -> TextFilter:
        """A filter for one text that comes in pieces."""
        return AnswerFilter(self._literals, self._patterns)


def _any_of(literals: Sequence[str]) -> "re2._Regexp | None":
    if not literals:
        return None
    try:
        return compiled("|".join(re2.escape(literal) for literal in literals), memory=_MEMORY)
    except InvalidPattern as error:
        raise InvalidPattern(f"words and phrases are too many: {error}") from None
