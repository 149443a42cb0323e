"""Nothing that breaks a rule leaves, in whatever pieces a text comes; everything else leaves, in order."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
import re2  # type: ignore[import-untyped]  # ships no stubs
from hypothesis import given, settings
from hypothesis import strategies as st

from server.adapters.guardrails.folding import continues_letter, folded, is_of_word
from server.adapters.guardrails.rules import CompiledRules
from server.ports.guardrails import Blocked, Rule, RuleKind

Rules = Sequence[tuple[RuleKind, str]]

# Few letters, so that random rules and texts meet; spellings that fold; what is invisible; what continues a letter.
ALPHABET = "abAß\u0131\uff42 \n-_1\u200b\u0301\u3099かが가ᅡᆨ\u0e38.é½"
PATTERNS = (
    "ab",
    "(?i)aB?b",
    r"\bab\b",
    r"a\b",
    r"\Bb",
    "ab$",
    "^b",
    "(?m)^a",
    "(?m)b$",
    r"a{2,3}-",
    "a+b",
    "a.*b",
    r"[\pN]{2}",
    r"a-?b|b1$",
    r"(?s)b.{0,3}-",
    "a[^b]{0,4}$|bb",
)
TEXTS = st.text(st.sampled_from(ALPHABET), max_size=24)
LITERALS = st.tuples(
    st.sampled_from([RuleKind.WORD, RuleKind.PHRASE]),
    st.text(st.sampled_from(ALPHABET), min_size=1, max_size=5).filter(lambda text: bool(folded(text).strip())),
)
RULES = st.lists(
    st.one_of(LITERALS, st.tuples(st.just(RuleKind.PATTERN), st.sampled_from(PATTERNS))), min_size=1, max_size=4
)
CUTS = st.lists(st.integers(0, 24), max_size=8)


def compiled(rules: Rules) -> CompiledRules:
    return CompiledRules([(Rule(kind, f"rules[{index}]"), text) for index, (kind, text) in enumerate(rules)])


def breaks(rules: Rules, text: str) -> bool:
    """What the rules mean, said in the plainest way."""
    return any(_PLAIN[kind](rule, text) for kind, rule in rules)


def _breaks_pattern(pattern: str, text: str) -> bool:
    return re2.search(pattern, text) is not None


def _breaks_phrase(phrase: str, text: str) -> bool:
    return any(True for _ in _places(phrase, text))


def _breaks_word(word: str, text: str) -> bool:
    plain, rule = folded(text), folded(word).strip()
    for start in _places(word, text):
        end = start + len(rule)
        inside_before = start and is_of_word(plain[start - 1]) and is_of_word(rule[0])
        inside_after = end < len(plain) and is_of_word(plain[end]) and is_of_word(rule[-1])
        if not inside_before and not inside_after:
            return True
    return False


def _places(rule: str, text: str) -> Iterable[int]:
    """Where the rule stands in the folded text, but for its last letter being the beginning of another one."""
    plain, wanted = folded(text), folded(rule).strip()
    for found in re.finditer(f"(?={re.escape(wanted)})", plain):
        end = found.start() + len(wanted)
        if end == len(plain) or not continues_letter(plain[end]):
            yield found.start()


_PLAIN = {RuleKind.WORD: _breaks_word, RuleKind.PHRASE: _breaks_phrase, RuleKind.PATTERN: _breaks_pattern}


def sliced(text: str, cuts: Sequence[int]) -> list[str]:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def let_through(rules: CompiledRules, pieces: Sequence[str]) -> tuple[list[str], bool]:
    """What left, piece by piece, and whether the text was blocked."""
    left: list[str] = []
    answer = rules.filter()
    try:
        left.extend(answer.add(piece) for piece in pieces)
        left.append(answer.end())
    except Blocked as blocked:
        return [*left, blocked.clean], True
    return left, False


@settings(max_examples=400, deadline=None)
@given(rules=RULES, text=TEXTS, cuts=CUTS)
def test_what_leaves_breaks_no_rule_and_what_breaks_none_leaves(rules: Rules, text: str, cuts: list[int]) -> None:
    left, blocked = let_through(compiled(rules), sliced(text, cuts))
    assert blocked == breaks(rules, text)
    for count in range(len(left) + 1):
        shown = "".join(left[:count])
        assert text.startswith(shown)
        assert not breaks(rules, shown), (shown, left)
    if not blocked:
        assert "".join(left) == text


@settings(max_examples=200, deadline=None)
@given(rules=RULES, text=TEXTS)
def test_a_whole_text_is_judged_as_one_in_pieces(rules: Rules, text: str) -> None:
    assert (compiled(rules).broken_by(text) is not None) == breaks(rules, text)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ((RuleKind.WORD, "Darn"), "well, DARN!"),
        ((RuleKind.WORD, "darn"), "d\u200ba\u00adr\u2060n"),
        ((RuleKind.WORD, "darn"), "d\u0336a\u0336r\u0336n\u0336"),
        ((RuleKind.WORD, "darn"), "\uff44\uff41\uff52\uff4e"),
        ((RuleKind.WORD, "darn"), "dárn"),
        ((RuleKind.WORD, "straße"), "STRASSE"),
        ((RuleKind.WORD, "c++"), "I like C++."),
        ((RuleKind.PHRASE, "ignore all previous"), "please IGNORE  all\nprevious orders"),
        ((RuleKind.PHRASE, "が"), "か\u3099"),
        ((RuleKind.PHRASE, "é"), "e\u0301"),
        ((RuleKind.PATTERN, r"\d{4}-\d{4}"), "card 1234-5678"),
    ],
)
def test_other_spellings_of_a_rule_are_found(rule: tuple[RuleKind, str], text: str) -> None:
    assert compiled([rule]).broken_by(text) is not None
    assert let_through(compiled([rule]), list(text))[1]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ((RuleKind.WORD, "darn"), "darning, undarn, darn_it, darn1"),
        ((RuleKind.WORD, "bad"), "bad\u0e38"),
        ((RuleKind.PHRASE, "か"), "か\u3099"),
        ((RuleKind.PHRASE, "가"), "각"),
        ((RuleKind.PATTERN, "darn"), "DARN"),
    ],
)
def test_other_words_are_not_taken_for_a_rule(rule: tuple[RuleKind, str], text: str) -> None:
    assert compiled([rule]).broken_by(text) is None
    left, blocked = let_through(compiled([rule]), list(text))
    assert ("".join(left), blocked) == (text, False)


def test_only_what_may_become_a_match_is_held_back() -> None:
    answer = compiled([(RuleKind.WORD, "darn"), (RuleKind.PHRASE, "go away")]).filter()
    assert answer.add("Hello, you d") == "Hello, you "
    assert answer.add("a") == ""
    assert answer.add("y. Please go") == "day. Please "
    assert answer.add(" aw") == ""
    assert answer.add("ry") == "go awry"
    assert answer.add(" and end") == " and end"
    assert answer.end() == ""


def test_a_pattern_holds_back_no_more_than_its_longest_match_needs() -> None:
    answer = compiled([(RuleKind.PATTERN, r"\d{4}-\d{4}")]).filter()
    assert answer.add("0123456789") == "01"
    assert answer.end() == "23456789"


def test_a_pattern_without_a_longest_match_holds_back_everything_until_the_end() -> None:
    answer = compiled([(RuleKind.PATTERN, "a.*b")]).filter()
    assert [answer.add("x" * 10) for _ in range(5)] == [""] * 5
    assert answer.end() == "x" * 50


def test_clean_text_before_a_match_leaves() -> None:
    left, blocked = let_through(compiled([(RuleKind.WORD, "darn")]), ["Oh dar", "n", " it"])
    assert (left, blocked) == (["Oh ", "", ""], True)


def test_half_a_surrogate_pair_is_a_character_like_others() -> None:
    rules = compiled([(RuleKind.PATTERN, "a.b"), (RuleKind.WORD, "darn")])
    assert rules.broken_by("a\ud800b") is not None
    assert rules.broken_by("\udc00 darn") is not None
    assert let_through(rules, ["\ud83d", "\ude00", "x"]) == (["", "", "\ud83d", "\ude00x"], False)
