"""Connect's codes, error bodies, envelopes and headers, as its specification has them."""

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.connect.envelope import EnvelopeError, end_of_stream, enveloped, only_message
from gateway.core.connect.errors import Detail, error_body, http_status_of, word_of
from gateway.core.connect.protocol import ConnectHeaderError, check_version, seconds_of


@pytest.mark.parametrize(
    ("code", "word", "status"),
    [
        (1, "canceled", 499),
        (3, "invalid_argument", 400),
        (4, "deadline_exceeded", 504),
        (5, "not_found", 404),
        (8, "resource_exhausted", 429),
        (9, "failed_precondition", 400),
        (12, "unimplemented", 501),
        (14, "unavailable", 503),
        (16, "unauthenticated", 401),
        (99, "unknown", 500),
    ],
)
def test_a_grpc_code_has_connects_word_and_http_status(code: int, word: str, status: int) -> None:
    assert (word_of(code), http_status_of(code)) == (word, status)


def test_an_error_body_has_code_message_and_unpadded_details() -> None:
    body = error_body(5, "gone", [Detail("google.rpc.ErrorInfo", b"abcd")])
    assert body == {
        "code": "not_found",
        "message": "gone",
        "details": [{"type": "google.rpc.ErrorInfo", "value": base64.b64encode(b"abcd").decode().rstrip("=")}],
    }
    assert error_body(13, "") == {"code": "internal"}


@given(payload=st.binary(max_size=300))
def test_an_envelope_holds_exactly_its_message(payload: bytes) -> None:
    assert only_message(enveloped(payload)) == payload


@given(body=st.binary(max_size=40))
def test_any_other_body_is_refused_with_a_reason(body: bytes) -> None:
    try:
        payload = only_message(body)
    except EnvelopeError:
        return
    assert enveloped(payload) == body


def test_the_end_of_a_stream_tells_error_and_trailers() -> None:
    end = end_of_stream({"code": "internal"}, [("a", "1"), ("a", "2")])
    assert end[0] == 2
    assert int.from_bytes(end[1:5]) == len(end) - 5
    assert orjson.loads(end[5:]) == {"error": {"code": "internal"}, "metadata": {"a": ["1", "2"]}}
    assert orjson.loads(end_of_stream(None, ())[5:]) == {}


@pytest.mark.parametrize(("value", "seconds"), [(None, None), ("0", 0.0), ("1500", 1.5), ("9999999999", 9999999.999)])
def test_a_timeout_is_milliseconds(value: str | None, seconds: float | None) -> None:
    assert seconds_of(value) == seconds


@pytest.mark.parametrize("value", ["", "-1", "1.5", "10000000000", "1e3", "soon"])
def test_a_malformed_timeout_is_refused_by_name(value: str) -> None:
    with pytest.raises(ConnectHeaderError, match="connect-timeout-ms"):
        seconds_of(value)


def test_only_version_one_is_spoken() -> None:
    check_version(None)
    check_version("1")
    with pytest.raises(ConnectHeaderError):
        check_version("2")
