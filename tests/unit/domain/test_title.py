"""Titles: one short line, whatever a model or a user said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.title import MAX_CHARACTERS, first_words, title_of


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Feeding a parrot", "Feeding a parrot"),
        ('"Feeding a parrot."', "Feeding a parrot"),
        ("“Feeding a parrot”.", "Feeding a parrot"),
        ("\u201ePapageien füttern\u201c", "Papageien füttern"),
        ("「鸚鵡」", "鸚鵡"),
        ("Title: **Feeding a parrot**", "Feeding a parrot"),
        ("**Title:** Feeding a parrot", "Feeding a parrot"),
        ("Conversation title: Parrots", "Parrots"),
        ("# Feeding a parrot\n\nHere is why.", "Feeding a parrot"),
        ("\n\n  Feeding\t a   parrot \n", "Feeding a parrot"),
        ("<think>The user has\na parrot.</think>\nFeeding a parrot", "Feeding a parrot"),
        ("<think>The user has a parrot and", ""),
        ("Feeding\x00 a\u202e parrot\x1b[31m", "Feeding a parrot[31m"),
        ("And then...", "And then..."),
        ("Rock 'n' roll", "Rock 'n' roll"),
        ("👩\u200d👩\u200d👧 family", "👩\u200d👩\u200d👧 family"),
        ("New chat", ""),
        ('---\n""\n', ""),
        ("", ""),
    ],
)
def test_what_a_model_says_becomes_a_title(said: str, title: str) -> None:
    assert title_of(said) == title


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("Hi", "Hi"),
        ("How do I feed  a\nparrot?", "How do I feed a parrot?"),
        ("How do I feed a parrot in the winter?", "How do I feed a parrot…"),
        ("x" * 200, "x" * (MAX_CHARACTERS - 1) + "…"),
        ("\x00 \u200b", ""),
    ],
)
def test_the_first_words_of_a_message_become_a_title(message: str, title: str) -> None:
    assert first_words(message) == title


def test_a_long_title_is_cut_between_two_words() -> None:
    title = title_of("parrots " * 20)
    assert title == "parrots " * 8 + "parrots…"
    assert len(title) <= MAX_CHARACTERS


@given(st.text())
def test_every_title_is_one_short_line(text: str) -> None:
    for title in (title_of(text), first_words(text)):
        assert len(title) <= MAX_CHARACTERS
        assert len(title.splitlines()) <= 1
        assert title == title.strip()
