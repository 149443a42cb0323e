"""Every failure of a provider has the reason that tells a caller what to do, and shows no secret."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from server.adapters.provider.failures import Failures
from server.ports.provider import ProviderError

KEY = "my-very-own-credential"
NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)


def _refused(
    status: int, error: Any = None, *, headers: dict[str, str] | None = None, body: bytes | None = None
) -> ProviderError:
    content = orjson.dumps({"error": error}) if body is None else body
    failures = Failures(provider="acme", secrets=[KEY])
    return failures.refused(status=status, headers=headers or {}, body=content, model="some/model", now=NOW)


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (401, "PROVIDER_UNAUTHENTICATED", False),
        (403, "PROVIDER_UNAUTHENTICATED", False),
        (404, "PROVIDER_MODEL_NOT_FOUND", False),
        (400, "PROVIDER_REJECTED_REQUEST", False),
        (402, "PROVIDER_REJECTED_REQUEST", False),
        (409, "PROVIDER_REJECTED_REQUEST", False),
        (413, "PROVIDER_REJECTED_REQUEST", False),
        (422, "PROVIDER_REJECTED_REQUEST", False),
        (451, "PROVIDER_REJECTED_REQUEST", False),
        (408, "PROVIDER_TIMEOUT", True),
        (429, "PROVIDER_RATE_LIMITED", True),
        (500, "PROVIDER_UNAVAILABLE", True),
        (502, "PROVIDER_UNAVAILABLE", True),
        (503, "PROVIDER_UNAVAILABLE", True),
        (529, "PROVIDER_UNAVAILABLE", True),
        (302, "PROVIDER_REJECTED_REQUEST", False),
        (308, "PROVIDER_REJECTED_REQUEST", False),
        (204, "PROVIDER_PROTOCOL_ERROR", False),
        (999, "PROVIDER_PROTOCOL_ERROR", False),
    ],
)
def test_each_status_has_its_reason(status: int, reason: str, retryable: bool) -> None:
    error = _refused(status, {"message": "because"})
    assert (error.reason, error.retryable) == (reason, retryable)
    assert "'acme'" in error.message


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize(
    "said",
    [
        {"code": "context_length_exceeded", "message": "too many tokens"},
        {"type": "exceed_context_size_error", "message": "the request exceeds"},
        {"code": 400, "message": "This model's maximum context length is 8192 tokens. However, you requested 9000"},
        {"message": "prompt is too long: 210000 tokens > 200000 maximum"},
        "the request exceeds the available context size, try increasing it",
    ],
)
def test_a_conversation_that_is_too_long_is_told_apart(status: int, said: Any) -> None:
    error = _refused(status, said)
    assert error.reason == "CONTEXT_TOO_LONG"
    assert "Shorten it" in error.message


@pytest.mark.parametrize(
    "said",
    [
        {"code": "model_not_found", "message": "The model `x` does not exist or you do not have access to it."},
        {"code": 400, "message": "some/model is not a valid model ID"},
    ],
)
def test_an_unknown_model_is_told_apart_whatever_the_status(said: Any) -> None:
    error = _refused(400, said)
    assert error.reason == "PROVIDER_MODEL_NOT_FOUND"
    assert "'some/model'" in error.message


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta(0)),
        ("1.5", timedelta(seconds=1.5)),
        ("Sat, 21 Nov 2026 10:00:30 GMT", timedelta(seconds=30)),
        ("Saturday, 21-Nov-26 10:00:30 GMT", timedelta(seconds=30)),
        ("Sat, 21 Nov 2026 09:00:00 GMT", timedelta(0)),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("nan", None),
        ("9" * 40, None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_seconds_or_a_date(status: int, value: str | None, wait: timedelta | None) -> None:
    error = _refused(status, headers={} if value is None else {"retry-after": value})
    assert error.retry_after == wait


def test_an_exhausted_quota_is_not_worth_a_retry() -> None:
    error = _refused(429, {"code": "insufficient_quota", "message": "You exceeded your current quota"})
    assert (error.reason, error.retryable) == ("PROVIDER_RATE_LIMITED", False)
    assert "quota" in error.message


@pytest.mark.parametrize(
    "body",
    [
        orjson.dumps({"error": {"message": "you have no credits"}}),
        orjson.dumps([{"error": {"message": "you have no credits"}}]),
        orjson.dumps({"error": "you have no credits"}),
        orjson.dumps({"detail": "you have no credits"}),
        orjson.dumps({"message": "you have no credits"}),
        orjson.dumps({"error": {"message": "Provider returned error", "metadata": {"raw": "you have no credits"}}}),
    ],
)
def test_the_provider_s_words_are_passed_on(body: bytes) -> None:
    assert "you have no credits" in _refused(402, body=body).message


@pytest.mark.parametrize("body", [b"", b"<html>secret page</html>", b'{"error": {"mess', b"\xff", b"[]", b"7", b"{}"])
def test_a_body_that_says_nothing_is_not_quoted(body: bytes) -> None:
    error = _refused(400, body=body)
    assert error.reason == "PROVIDER_REJECTED_REQUEST"
    assert "It says" not in error.message


@pytest.mark.parametrize(
    "words",
    [
        f"bad credential {KEY} given",
        "Incorrect key sk-proj-abc123DEF456 provided",
        "Incorrect key sk-abcd****wxyz provided",
        "header was Bearer abc.def.ghi",
        "AIzaSyA1234567890abcdef is not valid",
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_no_message_shows_a_secret(status: int, words: str) -> None:
    message = _refused(status, {"message": words}).message
    for secret in (KEY, "abc123DEF456", "abcd****wxyz", "abc.def.ghi", "SyA1234567890"):
        assert secret not in message


def test_a_quote_is_one_short_printable_line() -> None:
    message = _refused(400, {"message": "a\r\nb\x1b[31m\u2028c" + "x" * 10_000}).message
    assert message.isprintable()
    assert len(message) < 700


def test_a_refused_key_is_not_quoted_at_all() -> None:
    assert "oddly-masked" not in _refused(401, {"message": "Incorrect key: oddly-masked"}).message


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error": {"message": "overloaded", "code": 503}}', "PROVIDER_REPORTED_ERROR"),
        (b'{"error": "no"}', "PROVIDER_REPORTED_ERROR"),
        (b'{"error": {"code": "context_length_exceeded"}}', "CONTEXT_TOO_LONG"),
        (b'{"choices": [{"message": {"content": "hello"}}]}', "PROVIDER_PROTOCOL_ERROR"),
        (b"{nonsense", "PROVIDER_PROTOCOL_ERROR"),
    ],
)
def test_a_document_instead_of_a_stream(body: bytes, reason: str) -> None:
    assert Failures(provider="acme", secrets=()).answered_at_once(body, "m").reason == reason
