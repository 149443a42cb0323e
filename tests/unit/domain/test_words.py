"""Words as a search compares them, what a query means, and the part of a text that is shown for it."""

import random

import pytest

from server.domain.errors import InvalidField
from server.domain.excerpt import BEFORE, LENGTH, Highlight, excerpt
from server.domain.message_query import MessageQuery, Term, read_query
from server.domain.search_errors import SearchQueryEmpty
from server.domain.words import LONGEST, MOST_BYTES, MOST_WORDS, folded_words, words


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", []),
        ("Hello, World!", ["hello", "world"]),
        ("snake_case it's", ["snake", "case", "it", "s"]),
        ("Straße ÀÉÎõü Ωμέγα", ["strasse", "aeiou", "ωμεγα"]),
        ("ﬁne ① \uff46\uff55\uff4c\uff4c", ["fine", "1", "full"]),
        ("e\u0301 \u0301 ❤\ufe0f", ["e"]),
        ("東京 is カﾀｶﾅ", ["東", "京", "is", "カ", "タ", "カ", "ナ"]),
        ("ｶﾞ ガ カ\u3099", ["ガ", "ガ", "ガ"]),
        ("한국어", ["한국어"]),
        ("שָׁלוֹם مَرْحَبًا", ["שלום", "مرحبا"]),
        ("x\u0000y\ud800z", ["x", "y", "z"]),
        ("İI \u0131i", ["ii", "\u0131i"]),
        ("W" * 99, ["w" * LONGEST]),
    ],
)
def test_words_are_folded(text: str, folded: list[str]) -> None:
    assert folded_words(text) == folded
    assert [word.folded for word in words(text)] == folded


def test_words_know_their_places() -> None:
    text = "Ein Käse 東京, 😀 ﬁn"
    assert [text[word.start : word.end] for word in words(text)] == ["Ein", "Käse", "東", "京", "ﬁn"]


def test_folding_folded_words_changes_nothing_and_keeps_them_apart_from_what_databases_split_at() -> None:
    chance = random.Random(1)
    for _ in range(3000):
        text = "".join(chr(chance.randrange(0x20, 0x30000)) for _ in range(8))
        for word in folded_words(text):
            assert word
            assert not any(letter.isascii() and not (letter.islower() or letter.isdigit()) for letter in word), word
            assert not any(letter.isspace() for letter in word)


def test_only_so_much_of_a_text_is_searched() -> None:
    assert len(folded_words("a " * (MOST_WORDS + 9))) == len(folded_words("é " * (MOST_WORDS + 9))) == MOST_WORDS
    wide = folded_words(("\U00010428" * LONGEST + " ") * MOST_WORDS)
    assert MOST_BYTES - 200 < sum(len(word.encode()) for word in wide) <= MOST_BYTES


@pytest.mark.parametrize(
    ("text", "wanted", "excluded"),
    [
        ("Fox", [Term(("fox",))], []),
        ("a a A", [Term(("a",))], []),
        ('"a b" c', [Term(("a", "b")), Term(("c",))], []),
        ('a "b c', [Term(("a",)), Term(("b", "c"))], []),
        ('a"b"c', [Term(("a",)), Term(("b",)), Term(("c",))], []),
        (
            "a -b -c* - --d",
            [Term(("a",))],
            [Term(("b",), False, True), Term(("c",), True, True), Term(("d",), False, True)],
        ),
        ('a -"b c', [Term(("a",))], [Term(("b", "c"), False, True)]),
        ("a-b -c-d", [Term(("a", "b"))], [Term(("c", "d"), False, True)]),
        (
            "ab* c** *d e*f g+*",
            [Term(("ab",), True), Term(("c",), True), Term(("d",)), Term(("e", "f")), Term(("g",))],
            [],
        ),
        ("a@b.c*", [Term(("a", "b", "c"), True)], []),
        ('"a*"', [Term(("a",))], []),
        ("東京*", [Term(("東", "京"), True)], []),
        ("NOT NEAR(a)", [Term(("not",)), Term(("near", "a"))], []),
    ],
)
def test_queries_are_read(text: str, wanted: list[Term], excluded: list[Term]) -> None:
    assert read_query(text) == MessageQuery(tuple(wanted), tuple(excluded))


@pytest.mark.parametrize("text", ["", " ", "-a", '""', '"', "-", "*", "-*", "!?", "\ud800", "\x00", '-"a b" -c'])
def test_a_query_that_wants_nothing_is_refused(text: str) -> None:
    with pytest.raises(SearchQueryEmpty):
        read_query(text)


@pytest.mark.parametrize(
    "text", [" ".join(f"w{n}" for n in range(33)), ".".join("a" * 65), "a " + " ".join(f"-w{n}" for n in range(32))]
)
def test_a_query_of_too_many_words_is_refused(text: str) -> None:
    with pytest.raises(InvalidField):
        read_query(text)


def test_any_text_is_a_query() -> None:
    chance = random.Random(2)
    for _ in range(3000):
        text = "".join(chance.choice('ab"-* \x00\ud800é東:()') for _ in range(chance.randint(0, 20)))
        try:
            query = read_query(text)
        except SearchQueryEmpty:
            continue
        assert query.wanted
        assert all(term.words and all(term.words) for term in (*query.wanted, *query.excluded))


def _shown(text: str, query: str) -> list[str]:
    """What is highlighted, as somebody cuts it out who counts in UTF-16."""
    found = excerpt(text, read_query(query))
    assert found.text in text
    assert len(found.text) <= LENGTH
    units = found.text.encode("utf-16-le", "surrogatepass")
    return [units[2 * each.start : 2 * each.end].decode("utf-16-le") for each in found.highlights]


def test_what_was_looked_for_is_highlighted() -> None:
    assert _shown("😀 The Käse, the KASE!", "kase the") == ["The", "Käse", "the", "KASE"]
    assert _shown("a brown fox and a brown dog", '"brown fox" a*') == ["a", "brown fox", "and", "a"]
    assert _shown("東京タワー", "京タ") == ["京タ"]
    assert _shown("a b c", '"a b" "b c"') == ["a b c"]


def test_an_excerpt_is_cut_around_the_first_thing_found() -> None:
    text = "word " * 100 + "needle " + "word " * 100 + "needle"
    found = excerpt(text, read_query("needle"))
    assert (found.begins_text, found.ends_text) == (False, False)
    assert found.text.startswith("word ")
    assert found.text.endswith("word")
    (highlight,) = found.highlights
    assert found.text[highlight.start : highlight.end] == "needle"
    assert highlight.start <= BEFORE
    whole = excerpt("needle", read_query("needle"))
    assert (whole.highlights, whole.begins_text, whole.ends_text) == ((Highlight(0, 6),), True, True)


def test_an_excerpt_is_short_whatever_the_text() -> None:
    chance = random.Random(3)
    for _ in range(400):
        text = "".join(chance.choice(["a", "é", "東", "😀", " ", "x" * 50, "needle ", " needle"]) for _ in range(60))
        for query in ("needle", "a* needle", '"needle needle"', "x*", "東", "zzz"):
            for part in _shown(text, query):
                assert part
                assert folded_words(part)
