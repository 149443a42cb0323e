"""An answer's pieces do not depend on how its bytes are cut, and only a marked end is an end."""

from typing import Any

import orjson
import pytest

from server.adapters.provider.answer import Answer
from server.adapters.provider.failures import Failures
from server.domain.message import Usage
from server.ports.provider import Piece, ProviderError, ReasoningPiece, TextPiece, UsageReport
from tests.support.upstream import wire

DONE = wire.DONE


def _answer() -> Answer:
    return Answer(failures=Failures(provider="p", secrets=()), model="m")


def _chunk(finish_reason: str | None = None, **delta: Any) -> bytes:
    return wire.event(wire.completion_chunk(delta, finish_reason=finish_reason))


def _read(*chunks: bytes) -> tuple[list[Piece], Answer]:
    answer = _answer()
    return [piece for chunk in chunks for piece in answer.feed(chunk)], answer


def _joined(pieces: list[Piece]) -> list[tuple[type, str]]:
    """Neighbours of a kind put together, as the cuts do not matter."""
    joined: list[tuple[type, str]] = []
    for piece in pieces:
        assert isinstance(piece, TextPiece | ReasoningPiece)
        assert piece.text
        if joined and joined[-1][0] is type(piece):
            joined[-1] = (type(piece), joined[-1][1] + piece.text)
        else:
            joined.append((type(piece), piece.text))
    return joined


WHOLE = b"".join(
    [
        _chunk(role="assistant", content=""),
        b": OPENROUTER PROCESSING\n\n",
        _chunk(reasoning_content="hm, "),
        _chunk(reasoning="Grüezi"),
        _chunk(content="Zü"),
        _chunk(content="rich 🏔"),
        _chunk(content=None),
        _chunk("stop"),
        wire.event(wire.usage_chunk(3, 2)),
        DONE,
    ]
)
EXPECTED = [(ReasoningPiece, "hm, Grüezi"), (TextPiece, "Zürich 🏔")]


def test_text_reasoning_and_usage() -> None:
    pieces, answer = _read(WHOLE)
    assert pieces == [ReasoningPiece("hm, Grüezi"), TextPiece("Zürich 🏔")]
    assert (answer.done, answer.failure) == (True, None)
    assert answer.usage() == UsageReport(Usage(3, 2, 5))
    answer.end()


def test_the_bytes_may_be_cut_anywhere() -> None:
    for at in range(len(WHOLE) + 1):
        pieces, answer = _read(WHOLE[:at], WHOLE[at:])
        assert _joined(pieces) == EXPECTED, at
        assert (answer.done, answer.usage()) == (True, UsageReport(Usage(3, 2, 5))), at


def test_a_body_that_ends_at_any_byte_is_cut_unless_it_said_that_it_has_finished() -> None:
    finished = WHOLE.index(_chunk("stop")) + len(_chunk("stop"))
    for at in range(finished):
        with pytest.raises(ProviderError) as caught:
            _read(WHOLE[:at])[1].end()
        assert (caught.value.reason, caught.value.retryable) == ("PROVIDER_STREAM_CUT", True), at
    for at in range(finished, len(WHOLE)):
        pieces, answer = _read(WHOLE[:at])
        answer.end()
        assert _joined(pieces) == EXPECTED, at


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "tool_calls"])
def test_every_finish_reason_of_the_protocol_is_an_end(reason: str) -> None:
    pieces, answer = _read(_chunk(content="half"), _chunk(reason))
    answer.end()
    assert pieces == [TextPiece("half")]


def test_done_alone_is_an_end() -> None:
    _read(_chunk(content="x"), DONE)[1].end()


def test_what_follows_done_is_not_looked_at() -> None:
    pieces, answer = _read(_chunk(content="x") + DONE + _chunk(content="y") + b"data: {\n\n", _chunk(content="z"))
    assert pieces == [TextPiece("x")]
    assert answer.failure is None


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"choices": []},
        {"choices": None, "usage": None},
        {"choices": [{}]},
        {"choices": [{"delta": None, "finish_reason": None}]},
        {"choices": [{"delta": {"content": None, "reasoning": None, "role": "assistant"}}]},
        {"choices": [{"delta": {"content": ""}, "finish_reason": ""}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}}]},
        {"error": None, "choices": []},
    ],
)
def test_events_without_text_give_nothing_and_break_nothing(event: Any) -> None:
    pieces, answer = _read(wire.event(event))
    assert (pieces, answer.failure, answer.events) == ([], None, 1)
    with pytest.raises(ProviderError, match="broke off"):
        answer.end()


def test_a_refusal_of_the_model_is_its_answer() -> None:
    assert _read(_chunk(refusal="I cannot", content=None))[0] == [TextPiece("I cannot")]


def test_nul_is_replaced_since_no_store_keeps_it() -> None:
    assert _read(_chunk(content="a\x00b"))[0] == [TextPiece("a\ufffdb")]


@pytest.mark.parametrize(
    "data",
    [
        b"{nonsense",
        b'{"choices": [{"delta": {"content": "cut',
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b"null",
        b'{"choices": {"delta": 1}}',
        b'{"choices": [7]}',
        b'{"choices": 7}',
        b'{"choices": [{"delta": "text"}]}',
        b'{"choices": [{"delta": {"content": 7}}]}',
        b'{"choices": [{"delta": {"content": ["a"]}}]}',
        b'{"choices": [{"delta": {"content": NaN}}]}',
    ],
)
def test_what_is_not_the_protocol_is_a_failure_behind_the_pieces_before_it(data: bytes) -> None:
    pieces, answer = _read(_chunk(content="before") + b"data: " + data + b"\n\n" + _chunk(content="after"))
    assert pieces == [TextPiece("before")]
    assert answer.failure is not None
    assert answer.failure.reason == "PROVIDER_PROTOCOL_ERROR"
    assert not answer.failure.retryable
    assert answer.feed(_chunk(content="later")) == []


def test_an_event_that_is_too_long_is_a_failure_behind_the_pieces_before_it() -> None:
    pieces, answer = _read(_chunk(content="before") + b"data: " + b"x" * (2 * 1024 * 1024))
    assert pieces == [TextPiece("before")]
    assert answer.failure is not None
    assert answer.failure.reason == "PROVIDER_PROTOCOL_ERROR"


@pytest.mark.parametrize(
    ("error", "reason", "retryable"),
    [
        ({"message": "upstream fell over", "code": 502}, "PROVIDER_REPORTED_ERROR", True),
        ({"message": "flagged", "code": 403}, "PROVIDER_REPORTED_ERROR", False),
        ({"message": "busy", "type": "overloaded_error"}, "PROVIDER_REPORTED_ERROR", True),
        ({"message": "too many", "code": "context_length_exceeded"}, "CONTEXT_TOO_LONG", False),
        ("just words", "PROVIDER_REPORTED_ERROR", False),
        (["odd"], "PROVIDER_REPORTED_ERROR", False),
    ],
)
def test_an_error_object_is_the_provider_s_report(error: Any, reason: str, retryable: bool) -> None:
    pieces, answer = _read(_chunk(content="before") + wire.event({"error": error}) + DONE)
    assert pieces == [TextPiece("before")]
    assert answer.failure is not None
    assert (answer.failure.reason, answer.failure.retryable) == (reason, retryable)
    if isinstance(error, dict):
        assert error["message"] in answer.failure.message


def test_a_choice_that_finished_with_an_error_is_a_report_too() -> None:
    event = {"choices": [{"delta": {"content": "x"}, "finish_reason": "error", "error": {"message": "lost it"}}]}
    pieces, answer = _read(wire.event(event) + DONE)
    assert pieces == [TextPiece("x")]
    assert answer.failure is not None
    assert answer.failure.reason == "PROVIDER_REPORTED_ERROR"
    assert "lost it" in answer.failure.message


@pytest.mark.parametrize(
    ("reports", "usage"),
    [
        ([], None),
        ([{"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 9}], Usage(1, 2, 9)),
        ([{"prompt_tokens": 1, "completion_tokens": 2}], Usage(1, 2, 3)),
        ([{"prompt_tokens": 1, "completion_tokens": 1}, {"prompt_tokens": 1, "completion_tokens": 4}], Usage(1, 4, 5)),
        ([{"prompt_tokens": 1, "completion_tokens": 2}, {"prompt_tokens": "many"}], Usage(1, 2, 3)),
        ([{"prompt_tokens": -1, "completion_tokens": 2}], None),
        ([{"prompt_tokens": True, "completion_tokens": 2}], None),
        ([{"prompt_tokens": 2**40, "completion_tokens": 2}], None),
        ([[1, 2]], None),
    ],
)
def test_usage_is_the_last_report_that_makes_sense(reports: list[Any], usage: Usage | None) -> None:
    _, answer = _read(*(b"data: " + orjson.dumps({"choices": [], "usage": one}) + b"\n\n" for one in reports), DONE)
    assert answer.failure is None
    assert answer.usage() == (None if usage is None else UsageReport(usage))


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("thought", ["hm", {"text": "hm"}, {"content": "hm", "type": "thinking"}])
def test_a_thought_comes_in_either_spelling_as_text_or_object_in_any_chunk(name: str, thought: Any) -> None:
    chunks = [_chunk(role="assistant"), _chunk(**{name: thought}), _chunk(content="a"), _chunk(**{name: thought})]
    assert _read(*chunks, _chunk("stop"))[0] == [ReasoningPiece("hm"), TextPiece("a"), ReasoningPiece("hm")]


def test_a_thought_that_comes_in_both_spellings_is_one() -> None:
    assert _read(_chunk(reasoning="hm", reasoning_content="hm"), _chunk("stop"))[0] == [ReasoningPiece("hm")]
    assert _read(_chunk(reasoning="hm", reasoning_content=None), _chunk("stop"))[0] == [ReasoningPiece("hm")]
    assert _read(_chunk(reasoning="hm", reasoning_content={}), _chunk("stop"))[0] == [ReasoningPiece("hm")]


@pytest.mark.parametrize("thought", [None, "", {}, {"a": 1}, {"text": 7}, {"text": None}, [], ["x"], 7, True])
def test_a_thought_in_a_form_that_nobody_knows_fails_no_answer(thought: object) -> None:
    pieces, answer = _read(_chunk(reasoning=thought, content="a"), _chunk(reasoning_content=thought), _chunk("stop"))
    assert (pieces, answer.failure) == ([TextPiece("a")], None)
