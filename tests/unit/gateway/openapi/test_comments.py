"""Comments of proto files, and the sentence that stands for them."""

import pytest

from gateway.core.openapi.comments import Comments, first_sentence
from tests.unit.gateway.openapi.toy import toy_files, toy_pool


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Makes a thing.", "Makes a thing"),
        ("Makes a thing. And more.", "Makes a thing"),
        ("Makes a thing\nover two lines. And more.", "Makes a thing over two lines"),
        ("Uses e.g. `x` and 1.0 of it. More.", "Uses e.g. `x` and 1.0 of it"),
        ("Without a stop\n\nanother paragraph", "Without a stop"),
        ("", ""),
    ],
)
def test_the_first_sentence_is_cut_where_it_ends(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


def test_comments_are_found_by_full_name() -> None:
    comments, pool = Comments(toy_files()), toy_pool()
    book = pool.FindMessageTypeByName("toy.v1.Book")
    kind = pool.FindEnumTypeByName("toy.v1.Kind")
    assert comments.of(book) == "A book."
    assert comments.of(book.fields_by_name["chapters"]) == "Chapters, each a book by itself."
    assert comments.of(book.fields_by_name["kind"]) == ""
    assert comments.of_value(kind, kind.values_by_number[1]) == "Made up."
    assert comments.of(pool.FindServiceByName("toy.v1.Shelves").methods_by_name["Read"]) == "Reads aloud."


def test_without_files_there_are_no_comments() -> None:
    assert Comments().of(toy_pool().FindMessageTypeByName("toy.v1.Book")) == ""
