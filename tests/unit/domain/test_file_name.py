"""Names of files: what is refused, and which of them count as the same."""

import pytest

from server.domain.errors import InvalidField
from server.domain.file_name import checked_name, name_key


@pytest.mark.parametrize(
    "name",
    [
        *("a.txt", ".profile", "käse", "報告書.pdf", "a b", "...a", "con-fidential", "console.log", "x" * 255),
        "क्\u200dष.txt",
        "👩\u200d🔬.png",
    ],
)
def test_a_usual_name_is_taken_as_it_is(name: str) -> None:
    assert checked_name(name) == name


def test_a_name_is_kept_in_one_form() -> None:
    assert checked_name("a\u0308.txt") == "\u00e4.txt"


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "a.", " a", "a ", "\u00a0a", "a/b", "..\\a", "/etc/passwd", "x" * 256, "ä" * 128),
        *("a\x00b", "a\nb", "a\x7fb", "a\u202egpj.exe", "a\u200bb", "\ufeffa", "a\u2028b", "a\u2066b", "\ud800"),
        *("CON", "con", "nul.txt", "Aux.tar.gz", "COM1", "lpt9.doc", "com\u00b9"),
        "\u200d",
        "\ufdfa" * 30,
    ],
)
def test_a_name_that_could_do_harm_is_refused(name: str) -> None:
    with pytest.raises(InvalidField) as caught:
        checked_name(name, field="its name")
    assert [violation.field for violation in caught.value.violations] == ["its name"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A.txt", "a.TXT"),
        ("\uff41.txt", "a.txt"),
        ("stra\u00dfe", "STRASSE"),
        ("a\u200db", "ab"),
        ("\ufb01le", "file"),
        ("\u00e4", "a\u0308"),
    ],
)
def test_names_that_look_alike_are_one(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("a", "\u00e4"), ("a.txt", "atxt"), ("a b", "ab")])
def test_names_that_differ_stay_two(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@pytest.mark.parametrize("name", ["\u0390", "\u1fd3", "\u01c5", "\u2126", "\u0345\u0301", "I\u0307"])
def test_the_key_of_a_key_is_itself(name: str) -> None:
    assert name_key(name_key(name)) == name_key(name)
