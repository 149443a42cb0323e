"""The echo provider answers deterministically, word by word, and counts words."""

from datetime import timedelta

import pytest

from server.adapters.provider.echo import EchoProvider, reply_to
from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.message import Role, Usage
from server.domain.tool import ToolSpec
from server.ports.provider import CompletionRequest, Piece, RequestedCall, TextPiece, ToolCallsPiece, UsageReport
from tests.unit.providers.clocks import InstantClock


def _request(
    *contents: str, max_tokens: int | None = None, model: str = "any/model", tools: tuple[str, ...] = ()
) -> CompletionRequest:
    messages = tuple(PromptMessage(Role.USER, content) for content in contents)
    specs = tuple(ToolSpec(name, "", "{}") for name in tools)
    return CompletionRequest(messages, GenerationConfig(model=model, max_tokens=max_tokens), specs)


async def _collect(request: CompletionRequest, clock: InstantClock | None = None) -> list[Piece]:
    provider = EchoProvider(name="echo", clock=clock or InstantClock(), word_delay=timedelta(milliseconds=20))
    return [piece async for piece in provider.stream(request)]


def _text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))


async def test_quotes_the_last_user_message_and_says_how_to_get_a_real_model() -> None:
    text = _text(await _collect(_request("first", "what  is\n\nParley?")))
    assert text.startswith("You said: what  is\n\nParley?\n\nThis is Parley's offline echo model.")
    assert "OPENROUTER_API_KEY" in text
    assert "PARLEY_OPENAI_BASE_URL" in text


async def test_the_same_prompt_gets_the_same_pieces_whatever_the_model() -> None:
    assert await _collect(_request("hi", model="a/b")) == await _collect(_request("hi", model="gpt-9"))


async def test_one_piece_a_word_with_the_delay_between_them_but_not_before_the_first() -> None:
    clock = InstantClock()
    pieces = await _collect(_request("hello there"), clock)
    words = [piece for piece in pieces if isinstance(piece, TextPiece)]
    assert [piece.text for piece in words[:4]] == ["You", " said:", " hello", " there"]
    assert clock.slept == [0.02] * (len(words) - 1)


async def test_usage_counts_words_and_comes_last() -> None:
    *texts, report = await _collect(_request("one two", "three"))
    assert report == UsageReport(Usage(3, len(texts), 3 + len(texts)))


async def test_max_tokens_cuts_by_words() -> None:
    pieces = await _collect(_request("hello there", max_tokens=3))
    assert _text(pieces) == "You said: hello"
    assert pieces[-1] == UsageReport(Usage(2, 3, 5))


@pytest.mark.parametrize("content", ["", "   \n"])
async def test_an_empty_message_is_answered_too(content: str) -> None:
    assert _text(await _collect(_request(content))).startswith("You said nothing yet.")


def test_the_last_user_message_counts_not_the_answer_after_it() -> None:
    messages = (PromptMessage(Role.USER, "question"), PromptMessage(Role.ASSISTANT, "half an ans"))
    assert reply_to(messages).startswith("You said: question\n")


def test_a_long_message_is_quoted_in_part() -> None:
    reply = reply_to((PromptMessage(Role.USER, "x" * 1_000_000),))
    assert len(reply) < 1000
    assert "x…\n" in reply


async def test_it_asks_for_the_tools_that_a_message_names() -> None:
    request = _request(
        'try it\n/call clock {"zone": "CET"}\n/call none {}\n  /call clock\n/call dice', tools=("clock", "dice")
    )
    calls = (RequestedCall("echo_1", "clock", '{"zone": "CET"}'), RequestedCall("echo_2", "dice", "{}"))
    assert await _collect(request) == [ToolCallsPiece(calls), UsageReport(Usage(13, 0, 13))]


async def test_without_tools_it_asks_for_none_and_with_them_says_how() -> None:
    assert _text(await _collect(_request("/call clock"))).startswith("You said: /call clock\n")
    assert "/call clock {" in _text(await _collect(_request("hello", tools=("dice", "clock"))))


async def test_what_the_tools_answer_is_repeated() -> None:
    results = [PromptMessage(Role.TOOL, content, tool_call_id="call_1") for content in ("noon", "six")]
    messages = (PromptMessage(Role.USER, "/call clock"), PromptMessage(Role.ASSISTANT, ""), *results)
    assert reply_to(messages, ["clock"]) == "The tool says: noon\n\nThe tool says: six"
