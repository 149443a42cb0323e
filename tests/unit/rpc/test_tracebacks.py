"""Exceptions in the log: all that says where, nothing that may say what somebody wrote."""

import json
import sqlite3
import traceback
from collections.abc import Callable

import pytest

from server.domain.errors import ConversationNotFound
from server.rpc.tracebacks import shown

TEXT = "what somebody wrote"


def _caught(work: Callable[[], object]) -> str:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - whatever the test raises
        return shown((type(error), error, error.__traceback__))
    raise AssertionError("nothing was raised")


def _raise(error: BaseException) -> None:
    error.add_note(TEXT)
    raise error


def _raise_from(error: BaseException, cause: BaseException | None) -> None:
    try:
        _raise(cause or KeyError(TEXT))
    except BaseException as raised:
        if cause is None:
            _raise(error)
        raise error from raised


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (ValueError(TEXT), "ValueError"),
        (KeyError(TEXT), "KeyError"),
        (json.JSONDecodeError(TEXT, TEXT, 0), "json.decoder.JSONDecodeError"),
        (SyntaxError(TEXT), "SyntaxError"),
        (ConversationNotFound(TEXT), "server.domain.errors.ConversationNotFound: CONVERSATION_NOT_FOUND"),
        (OSError(28, "No space left on device", TEXT), "OSError: [Errno 28] No space left on device"),
        (OSError(TEXT), "OSError"),
        (sqlite3.OperationalError("no such table: t"), "sqlite3.OperationalError: no such table: t"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_only_texts_that_quote_nobody_are_shown(error: BaseException, last: str) -> None:
    text = _caught(lambda: _raise(error))
    assert text.splitlines()[-1] == last
    assert TEXT not in text


def test_frames_are_those_that_python_shows() -> None:
    try:
        _raise(ValueError(TEXT))
    except ValueError as error:
        text, frames = shown((type(error), error, error.__traceback__)), traceback.format_tb(error.__traceback__)
    assert text == "Traceback (most recent call last):\n" + "".join(frames) + "ValueError"


def test_what_led_to_an_exception_is_shown_before_it() -> None:
    caused = _caught(lambda: _raise_from(ValueError(TEXT), KeyError(TEXT)))
    assert caused.index("\nKeyError\n") < caused.index("direct cause") < caused.rindex("ValueError")
    during = _caught(lambda: _raise_from(ValueError(TEXT), None))
    assert during.index("\nKeyError\n") < during.index("During handling") < during.rindex("ValueError")
    assert TEXT not in caused + during


def test_a_group_shows_what_it_holds() -> None:
    group = ExceptionGroup(TEXT, [ValueError(TEXT), ExceptionGroup(TEXT, [KeyError(TEXT)])])
    text = _caught(lambda: _raise(group))
    assert [word in text for word in ("ExceptionGroup", "| ValueError", "| KeyError", "1 of 2", "2 of 2", TEXT)] == [
        *[True] * 5,
        False,
    ]


def test_what_never_ends_is_cut() -> None:
    error: Exception = ValueError(TEXT)
    for _ in range(5000):
        after = ValueError(TEXT)
        after.__cause__ = error
        error = after
    assert _caught(lambda: _raise(error)).count("ValueError") < 30
