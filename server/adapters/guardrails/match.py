"""Where a text breaks a rule."""

from dataclasses import dataclass

from server.ports.guardrails import Rule


@dataclass(frozen=True, slots=True)
class Match:
    """A rule, and where in the text its match begins, in characters from the text's own beginning."""

    start: int
    rule: Rule
