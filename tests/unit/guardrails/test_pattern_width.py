"""No match of a pattern is longer than what is said of it."""

import pytest
import re2  # type: ignore[import-untyped]  # ships no stubs
from hypothesis import given, settings
from hypothesis import strategies as st

from server.adapters.guardrails.pattern_width import longest_match
from server.adapters.guardrails.patterns import InvalidPattern, compiled

PIECES = st.sampled_from(
    [
        *("a", "b", ".", "{", ",", "2", "}", "[", "]", "(", ")", "|", "?", "*", "+", "^", "$", "-", ":", "\\"),
        *("{,2}", "{2}", "{1,3}", "{2,}", "(?i)", "(?:", "(?U)", "(?i:", "(?P<n>", "[^a]", "[a-b]", "[[:alpha:]]"),
        *(r"\pL", r"\p{Greek}", r"\PN", r"\x{61}", r"\d", r"\b", r"\z", r"\\", r"\Qa*\E", r"\Q", r"\E", r"\x61"),
        *("[:alpha:]", "[^[:digit:]b]", r"[\pL\d]", r"\141"),
    ]
)


@settings(max_examples=500, deadline=None)
@given(pattern=st.lists(PIECES, min_size=1, max_size=7).map("".join), text=st.text("ab2{,}:alph\\*[]E-Q", max_size=40))
def test_no_match_is_longer_than_its_pattern_tells(pattern: str, text: str) -> None:
    options = re2.Options()
    options.log_errors = False
    options.longest_match = True
    try:
        compiled(pattern)
        longest = re2.compile(pattern, options)
    except (InvalidPattern, re2.error):
        return
    bound = longest_match(pattern)
    if bound is not None:
        assert all(len(match[0]) <= bound for match in longest.finditer(text))


@pytest.mark.parametrize(
    ("pattern", "longest"),
    [
        (r"\d{4}[- ]?\d{4}", 9),
        ("a|bcd", 3),
        ("a{,2}", 5),
        (r"(?i)\bsk-[a-z0-9]{20,40}", 43),
        (r"[[:alpha:]]{3}\pL\p{Greek}", 5),
        (r"\Qa*\E", 2),
        (r"\\pL", 3),
        ("(?P<one>a)(?-s:b.)", 3),
        ("a*", None),
        ("ab+", None),
        ("(ab){2,}", None),
        (r"\Qa*\E+", None),
    ],
)
def test_the_longest_match_of_a_pattern(pattern: str, longest: int | None) -> None:
    assert longest_match(pattern) == longest
