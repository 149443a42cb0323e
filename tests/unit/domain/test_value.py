"""Values that are not frozen at run time are otherwise like those that are."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from server.domain.ids import ConversationId, MessageId
from server.domain.message import Message, Role
from server.domain.value import value

_MORNING = datetime(2025, 1, 31, 8, tzinfo=UTC)


def _message(text: str) -> Message:
    return Message(MessageId("m"), ConversationId("c"), Role.USER, text, _MORNING)


def test_equal_values_are_one_member_of_a_set() -> None:
    assert _message("a") == _message("a") != _message("b")
    assert {_message("a"), _message("a"), _message("b")} == {_message("a"), _message("b")}


def test_a_changed_value_is_another_one() -> None:
    before = _message("a")
    assert (replace(before, content="b").content, before.content) == ("b", "a")


def test_what_a_value_does_not_have_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        _message("a").colour = "red"  # type: ignore[attr-defined]


def test_mypy_is_told_that_a_value_is_frozen() -> None:
    with pytest.raises(TypeError, match="frozen"):
        value(frozen=False, slots=True)
