"""The table `[guardrails]` of a configuration file.

[guardrails]
words = ["blockedword"]                  # whole tokens
phrases = ["ignore all previous"]        # anywhere in a text
patterns = ['(?i)\\bsk-[a-z0-9]{20,40}'] # RE2, at most 512 characters each
message = "We cannot talk about this."   # what callers are told; optional
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from server.adapters.guardrails.folding import folded
from server.adapters.guardrails.patterns import MOST_CHARACTERS, InvalidPattern, Pattern
from server.adapters.guardrails.rules import CompiledRules
from server.adapters.provider.configuration import ConfigurationError
from server.adapters.provider.toml_table import TomlTable
from server.ports.guardrails import Rule, RuleKind

_KEYS: Final = {"words": RuleKind.WORD, "phrases": RuleKind.PHRASE, "patterns": RuleKind.PATTERN}


@dataclass(frozen=True, slots=True)
class GuardrailsConfig:
    """What the operator wants to be refused, and what callers are told then."""

    rules: CompiledRules | None = None
    """`None`: there are no rules."""
    message: str | None = None
    """`None`: the service's own sentence."""


def load_guardrails(toml: Mapping[str, Any] | None) -> GuardrailsConfig:
    """The guardrails of a parsed file. Raises `ConfigurationError`, which names the rule and what is wrong with it."""
    if toml is None or "guardrails" not in toml:
        return GuardrailsConfig()
    table = TomlTable(toml["guardrails"], "guardrails")
    rules = [rule for key, kind in _KEYS.items() for rule in _rules(table, key, kind)]
    message = table.text("message")
    table.reject_others()
    try:
        return GuardrailsConfig(CompiledRules(rules) if rules else None, message)
    except InvalidPattern as error:
        raise ConfigurationError(f"guardrails: {error}") from None


def _rules(table: TomlTable, key: str, kind: RuleKind) -> list[tuple[Rule, str]]:
    rules = []
    for index, text in enumerate(table.items(key) or ()):
        rule = Rule(kind, f"{table.key(key)}[{index}]")
        if not isinstance(text, str):
            raise ConfigurationError(f"{rule.place}: expected a text in quotes")
        _check(rule, text)
        rules.append((rule, text))
    return rules


def _check(rule: Rule, text: str) -> None:
    if rule.kind is not RuleKind.PATTERN:
        if not folded(text).strip():
            raise ConfigurationError(f"{rule.place}: must have a character that can be seen")
        return
    if len(text) > MOST_CHARACTERS:
        raise ConfigurationError(f"{rule.place}: must have at most {MOST_CHARACTERS} characters")
    try:
        Pattern(rule, text)
    except InvalidPattern as error:
        raise ConfigurationError(f"{rule.place}: is no pattern that RE2 takes: {error}") from None
