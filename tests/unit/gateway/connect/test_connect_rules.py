"""Connect's error bodies, envelopes and headers, as its specification has them."""

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.connect.envelope import EnvelopeError, end_of_stream, enveloped, only_message
from gateway.core.connect.errors import ConnectErrorWriter, ConnectStreamErrorWriter, error_of, word_of
from gateway.core.connect.faces import face_of
from gateway.core.connect.protocol import is_connect
from gateway.core.problem import Detail, Problem, Refused
from gateway.core.status import Code


@pytest.mark.parametrize(
    ("code", "word", "status"),
    [
        (Code.CANCELLED, "canceled", 499),
        (Code.UNKNOWN, "unknown", 500),
        (Code.INVALID_ARGUMENT, "invalid_argument", 400),
        (Code.DEADLINE_EXCEEDED, "deadline_exceeded", 504),
        (Code.NOT_FOUND, "not_found", 404),
        (Code.ALREADY_EXISTS, "already_exists", 409),
        (Code.PERMISSION_DENIED, "permission_denied", 403),
        (Code.RESOURCE_EXHAUSTED, "resource_exhausted", 429),
        (Code.FAILED_PRECONDITION, "failed_precondition", 400),
        (Code.ABORTED, "aborted", 409),
        (Code.OUT_OF_RANGE, "out_of_range", 400),
        (Code.UNIMPLEMENTED, "unimplemented", 501),
        (Code.INTERNAL, "internal", 500),
        (Code.UNAVAILABLE, "unavailable", 503),
        (Code.DATA_LOSS, "data_loss", 500),
        (Code.UNAUTHENTICATED, "unauthenticated", 401),
    ],
)
def test_a_code_has_connects_word_and_http_status(code: Code, word: str, status: int) -> None:
    assert word_of(code) == word
    assert ConnectErrorWriter(authenticate_scheme="Bearer").write(Problem(code, "x")).status == status


def test_an_error_body_has_code_message_and_unpadded_details() -> None:
    detail = Detail("type.googleapis.com/google.rpc.ErrorInfo", b"abcd")
    assert error_of(Problem(Code.NOT_FOUND, "gone", details=(detail,))) == {
        "code": "not_found",
        "message": "gone",
        "details": [{"type": "google.rpc.ErrorInfo", "value": base64.b64encode(b"abcd").decode().rstrip("=")}],
    }
    assert error_of(Problem(Code.INTERNAL, "")) == {"code": "internal"}


def test_an_error_of_a_stream_is_its_last_envelope_whatever_the_code() -> None:
    reply = ConnectStreamErrorWriter("application/connect+json").write(Problem(Code.NOT_FOUND, "gone"))
    assert (reply.status, reply.headers) == (200, ((b"content-type", b"application/connect+json"),))
    assert reply.body[0] == 2
    assert int.from_bytes(reply.body[1:5]) == len(reply.body) - 5
    assert orjson.loads(reply.body[5:]) == {"error": {"code": "not_found", "message": "gone"}}
    assert orjson.loads(end_of_stream()[5:]) == {}


@given(payload=st.binary(max_size=300))
def test_an_envelope_holds_exactly_its_message(payload: bytes) -> None:
    assert only_message(enveloped(payload)) == payload


@given(body=st.binary(max_size=40))
def test_any_other_body_is_refused(body: bytes) -> None:
    try:
        payload = only_message(body)
    except EnvelopeError:
        return
    assert enveloped(payload) == body


@pytest.mark.parametrize(
    ("headers", "face"),
    [
        ({}, "plain"),
        ({b"content-type": b"application/json"}, "plain"),
        ({b"content-type": b"text/xml"}, "plain"),
        ({b"content-type": b"application/json", b"connect-protocol-version": b"1"}, "json"),
        ({b"content-type": b"Application/JSON; charset=utf-8", b"connect-protocol-version": b"1"}, "json"),
        ({b"content-type": b"application/proto"}, "binary"),
    ],
)
def test_a_request_sees_the_face_that_it_speaks_to(headers: dict[bytes, bytes], face: str) -> None:
    assert face_of("plain", {"application/json": "json", "application/proto": "binary"}, headers) == face


def test_only_version_one_is_spoken() -> None:
    assert not is_connect(None)
    assert is_connect(b"1")
    with pytest.raises(Refused):
        is_connect(b"2")
