"""How far a text was spoken, by what came back from speech."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.speech import shares, spoken_length

TEXT = "One. Two — three?  It is 4 o'clock. 🙂"


@pytest.mark.parametrize(
    ("spoken", "heard"),
    [
        ("", ""),
        (" \n", ""),
        ("One", "One"),
        ("One.", "One."),
        ("one.", "One."),
        ("One.  Two", "One. Two"),
        ("One. Two three", "One. Two — three"),
        ("One. Two three?", "One. Two — three?"),
        ("One. Two three? It is 4 oclock", TEXT),
        (TEXT, TEXT),
        (TEXT + " and more", TEXT),
        ("One. Too", "One. T"),
        ("Zwei", ""),
    ],
)
def test_what_was_heard_is_a_beginning_of_what_was_written(spoken: str, heard: str) -> None:
    assert TEXT[: spoken_length(TEXT, spoken)] == heard


@given(st.text(), st.integers(min_value=0))
def test_a_beginning_that_was_spoken_as_it_is_was_heard_to_its_last_letter(text: str, length: int) -> None:
    beginning = text[:length]
    found = text[: spoken_length(text, beginning)]
    letters = [each for each in found.casefold() if each.isalnum()]
    assert letters == [each for each in beginning.casefold() if each.isalnum()] or found == text


@given(st.text(), st.text())
def test_never_more_is_heard_than_was_written(text: str, spoken: str) -> None:
    assert 0 <= spoken_length(text, spoken) <= len(text)


@given(st.lists(st.integers(min_value=0, max_value=50)), st.integers(min_value=0, max_value=200))
def test_what_was_heard_of_several_texts_is_heard_in_their_order(lengths: list[int], spoken: int) -> None:
    found = shares(lengths, spoken)
    assert sum(found) == min(sum(lengths), spoken)
    assert all(later == 0 or earlier == whole for earlier, later, whole in zip(found, found[1:], lengths, strict=False))
