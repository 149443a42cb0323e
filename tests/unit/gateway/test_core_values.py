"""The small pure parts: time-outs, percent-decoding, metadata sizes, headers, framings, statuses."""

import re

import orjson
import pytest
from google.protobuf import descriptor_pool
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from gateway.core.codec import Codecs
from gateway.core.dialect import Dialect, ErrorFormat, ErrorOverride, StreamFraming
from gateway.core.error_writer import DetailWriter, ErrorFormatError, ErrorWriter
from gateway.core.framing import NDJSON, SSE, framing_for
from gateway.core.headers import InwardHeaders, OutwardHeaders
from gateway.core.metadata import Metadatum, first, size_of, trailers_size
from gateway.core.percent import EscapeError, decoded, decoded_form, decoded_segments
from gateway.core.problem import Problem, Refused, invalid, problem_of, refused
from gateway.core.status import Code, http_status
from gateway.core.timeouts import seconds_asked


@pytest.mark.parametrize(
    ("text", "seconds"), [("1H", 3600), ("2M", 120), ("3S", 3), ("4m", 0.004), ("5u", 5e-6), ("6n", 6e-9), ("0S", 0)]
)
def test_grpc_timeouts(text: str, seconds: float) -> None:
    assert seconds_asked(text.encode(), None) == pytest.approx(seconds)


def test_the_shorter_deadline_counts() -> None:
    assert seconds_asked(b"5S", b"4000") == 4
    assert seconds_asked(b"3S", b"4000") == 3
    assert seconds_asked(None, None) is None


@pytest.mark.parametrize(("raw", "text"), [(b"a%20b", "a b"), (b"%2f%2F", "//"), (b"+", "+"), (b"%25", "%"), (b"", "")])
def test_a_single_segment_is_decoded_fully(raw: bytes, text: str) -> None:
    assert decoded(raw) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"a/%2f%2F", "a/%2f%2F"), (b"%20%2F", " %2F"), (b"%252F", "%2F"), (b"%25%2f", "%%2f"), (b"%26", "&")],
)
def test_several_segments_keep_escaped_slashes(raw: bytes, text: str) -> None:
    assert decoded_segments(raw) == text


def test_a_plus_in_a_form_is_a_space() -> None:
    assert decoded_form(b"a+b%2B") == "a b+"


@pytest.mark.parametrize("raw", [b"%", b"%4", b"%zz", b"%ff", b"\xff", b"%c3%28", b"%ed%a0%80"])
@pytest.mark.parametrize("decode", [decoded, decoded_segments, decoded_form])
def test_broken_escapes_are_errors(raw: bytes, decode: object) -> None:
    with pytest.raises(EscapeError):
        decode(raw)  # type: ignore[operator]


def test_metadata_is_weighed_as_http_2_does() -> None:
    pairs = (Metadatum("key", "value"), Metadatum("x-bin", b"\x00"))
    assert size_of(pairs) == (3 + 5 + 32) + (5 + 1 + 32)
    plain = trailers_size(0, "", ())
    assert trailers_size(0, "", pairs) == plain + size_of(pairs)
    assert trailers_size(0, "abc", ()) == plain + len("grpc-message") + 32 + 3
    assert trailers_size(0, "é%", ()) == plain + len("grpc-message") + 32 + 9  # percent-encoded, as grpc sends it
    assert (first(pairs, "key"), first(pairs, "other")) == ("value", None)


def test_outward_headers_leave_out_what_would_break_out() -> None:
    outward = OutwardHeaders(["retry-after", "x-bin"])
    bad = (Metadatum("retry-after", "1\r\nset-cookie: a"), Metadatum("x-bin", b"x"), Metadatum("other", "x"))
    assert outward.headers(bad, (Metadatum("retry-after", "2"),)) == [(b"retry-after", b"2")]


def test_inward_headers_are_limited_in_size_and_number() -> None:
    inward = InwardHeaders(["a"], size_limit=100, count_limit=2)
    assert inward.read([(b"a", b"x" * 67)]) == {b"a": b"x" * 67}
    for headers in ([(b"a", b"x" * 68)], [(b"a", b""), (b"b", b""), (b"c", b"")]):
        with pytest.raises(Refused) as caught:
            inward.read(headers)
        assert caught.value.problem.http_status == 431


def test_repeated_accept_headers_are_one_list() -> None:
    inward = InwardHeaders([], size_limit=1000, count_limit=10)
    assert inward.read([(b"accept", b"a"), (b"accept", b"b")]) == {b"accept": b"a,b"}


@pytest.mark.parametrize("text", ["text/event-stream;q=x", "", ",", ";q=1", "text/event-stream;q=0"])
def test_an_odd_accept_leaves_the_methods_framing(text: str) -> None:
    assert framing_for(text, StreamFraming.NDJSON) is NDJSON
    assert framing_for("text/event-stream;charset=utf-8", StreamFraming.NDJSON) is SSE


def test_the_two_framings_of_one_event() -> None:
    assert SSE.event("delta", "7", b"{}") == b"id: 7\nevent: delta\ndata: {}\n\n"
    assert SSE.event("", "", b"{}") == b"data: {}\n\n"
    assert NDJSON.event("delta", "7", b"{}") == b'{"event":"delta","id":"7","data":{}}\n'
    assert NDJSON.event("", "", b"{}") == b'{"data":{}}\n'
    assert (SSE.end(), NDJSON.end()) == (b"event: end\ndata: {}\n\n", b'{"event":"end","data":{}}\n')


def test_size_limits_of_the_transport_have_statuses_of_their_own() -> None:
    exhausted = Code.RESOURCE_EXHAUSTED
    assert http_status(exhausted, "CLIENT: Received message larger than max (5 vs. 4)") == 413
    assert http_status(exhausted, "received metadata size exceeds hard limit (9 vs. 8)") == 431
    assert http_status(exhausted, "quota") == 429


def writer(body: str, *overrides: ErrorOverride) -> ErrorWriter:
    pool = descriptor_pool.Default()
    return ErrorWriter(Dialect(errors=ErrorFormat(body, overrides)), DetailWriter(pool, Codecs(pool)))


PLACEHOLDERS = '{"a": ["$http", "$code", "$message", "$reason"], "b": {"c": "$metadata"}, "d": 5, "e": "costs $http"}'


def test_placeholders_stand_anywhere_in_the_body() -> None:
    reply = writer(PLACEHOLDERS).write(Problem(Code.NOT_FOUND, "gone", metadata={"k": "v"}))
    assert orjson.loads(reply.body) == {
        "a": [404, "NOT_FOUND", "gone", "NOT_FOUND"],
        "b": {"c": {"k": "v"}},
        "d": 5,
        "e": "costs $http",
    }


def test_the_first_override_that_applies_wins() -> None:
    overrides = (ErrorOverride("", "R", 410, ""), ErrorOverride("NOT_FOUND", "", 418, "always {k}"))
    errors = writer('"$message"', *overrides)
    assert errors.write(Problem(Code.NOT_FOUND, "x", reason="R")).status == 410
    other = errors.write(Problem(Code.NOT_FOUND, "x", metadata={"k": "v"}))
    assert (other.status, orjson.loads(other.body)) == (418, "always v")
    assert errors.write(Problem(Code.ABORTED, "x")).status == 409


def test_a_status_of_the_gateways_own_yields_only_to_its_reason() -> None:
    problem = refused(Code.INVALID_ARGUMENT, "x", reason="R", http_status=415).problem
    assert writer("{}", ErrorOverride("INVALID_ARGUMENT", "", 422, "")).write(problem).status == 415
    assert writer("{}", ErrorOverride("", "R", 422, "")).write(problem).status == 422


def test_a_bad_error_body_is_refused() -> None:
    with pytest.raises(ErrorFormatError, match=re.escape("$nothing")):
        writer('["$nothing"]')


def test_a_refusal_has_the_details_a_service_would_send() -> None:
    problem = invalid("a.b", "is bad").problem
    packed = status_pb2.Status(code=3, message=problem.message)
    for detail in problem.details:
        packed.details.add(type_url=detail.type_url, value=detail.value)
    read = problem_of(3, problem.message, packed.SerializeToString())
    assert (read.reason, read.violations, read.message) == ("INVALID_FIELD", (("a.b", "is bad"),), "a.b: is bad")


def test_unreadable_details_are_ignored() -> None:
    assert problem_of(5, "x", b"\xff\xff").details == ()
    broken = status_pb2.Status()
    broken.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")
    broken.details.add(type_url="type.googleapis.com/never.heard.Of", value=b"\x01")
    problem = problem_of(99, "x\ud800", broken.SerializeToString())
    assert (problem.code, problem.reason, problem.message) == (Code.UNKNOWN, "", "x?")
    assert orjson.loads(writer('"$details"').write(problem).body) == [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo"},
        {"@type": "type.googleapis.com/never.heard.Of"},
    ]


def test_retry_info_is_read() -> None:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    status = status_pb2.Status()
    status.details.add().Pack(retry)
    problem = problem_of(14, "later", status.SerializeToString())
    assert problem.retry_after == 1.5
    assert (b"retry-after", b"2") in writer("{}").write(problem).headers
