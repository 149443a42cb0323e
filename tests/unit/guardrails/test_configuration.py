"""Rules come from the table `[guardrails]`; what cannot be a rule is named before the service starts."""

import tomllib
from typing import Any

import pytest

from server.adapters.guardrails.configuration import load_guardrails
from server.adapters.guardrails.rules import CompiledRules
from server.adapters.provider.configuration import ConfigurationError
from server.ports.guardrails import Rule, RuleKind


def loaded(text: str) -> CompiledRules:
    rules = load_guardrails(tomllib.loads(text)).rules
    assert rules is not None
    return rules


def test_a_rule_is_known_by_its_place_in_the_file() -> None:
    rules = loaded("[guardrails]\nwords = ['one', 'two']\nphrases = ['three four']\npatterns = ['fi+ve']")
    assert rules.broken_by("Two!") == Rule(RuleKind.WORD, "guardrails.words[1]")
    assert rules.broken_by("xthree fourx") == Rule(RuleKind.PHRASE, "guardrails.phrases[0]")
    assert rules.broken_by("fiiive") == Rule(RuleKind.PATTERN, "guardrails.patterns[0]")
    assert rules.broken_by("twofold") is None
    assert rules.holds_whole_answers


@pytest.mark.parametrize("toml", [None, {}, {"guardrails": {}}, {"guardrails": {"message": "No."}}])
def test_without_rules_there_are_no_guardrails(toml: dict[str, Any] | None) -> None:
    assert load_guardrails(toml).rules is None


def test_the_version_changes_with_the_rules_and_not_with_their_order() -> None:
    one = loaded("[guardrails]\nwords = ['one', 'two']")
    assert one.version == loaded("[guardrails]\nwords = ['two', 'one']").version
    assert one.version != loaded("[guardrails]\nwords = ['one']").version
    assert one.version != loaded("[guardrails]\nphrases = ['one', 'two']").version


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("words = ['fine', '']", "guardrails.words[1]: must have a character that can be seen"),
        (r'phrases = ["\u200b\u0301"]', "guardrails.phrases[0]: must have a character that can be seen"),
        ("words = 'one'", "guardrails.words: expected an array"),
        ("words = [3]", "guardrails.words[0]: expected a text in quotes"),
        ("patterns = ['a', '(b']", "guardrails.patterns[1]: is no pattern that RE2 takes: missing ): (b"),
        (r"patterns = ['(a)\1']", r"guardrails.patterns[0]: is no pattern that RE2 takes: invalid escape sequence: \1"),
        ("patterns = ['a*']", "guardrails.patterns[0]: is no pattern that RE2 takes: it matches the empty text"),
        (f"patterns = ['{'a' * 513}']", "guardrails.patterns[0]: must have at most 512 characters"),
        ("pattern = ['a']", "guardrails.pattern: no such key; there are message, patterns, phrases, words"),
        ("message = ''", "guardrails.message: must not be empty"),
    ],
)
def test_what_is_no_rule_is_named(table: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_guardrails(tomllib.loads(f"[guardrails]\n{table}"))
    assert str(refused.value).startswith(sentence)


def test_ten_thousand_words_are_not_too_many() -> None:
    words = [f"word{number}" for number in range(10_000)]
    rules = load_guardrails({"guardrails": {"words": words}}).rules
    assert rules is not None
    assert rules.broken_by("I said word9999.") == Rule(RuleKind.WORD, "guardrails.words[9999]")
    assert rules.broken_by("I said word99999.") is None
