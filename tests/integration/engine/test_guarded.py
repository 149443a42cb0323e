"""The order in which a guarded answer leaves: all that may be shown of the reasoning, then the text."""

from collections.abc import AsyncGenerator

import pytest
from prometheus_client import CollectorRegistry

from server.adapters.figures import PrometheusFigures
from server.adapters.guardrails.configuration import load_guardrails
from server.application.guard import Guard
from server.domain.message import Usage
from server.engine.guarded import guarded
from server.ports.guardrails import TextFilter
from server.ports.provider import (
    Piece,
    ProviderError,
    ProviderParts,
    ReasoningPiece,
    RequestedCall,
    TextPiece,
    ToolCallsPiece,
    UsageReport,
)


@pytest.fixture
def guard() -> Guard:
    """A rule that holds digits back, and one that holds the beginning of a word back."""
    rules = load_guardrails({"guardrails": {"words": ["darn"], "patterns": [r"\d{4}-\d{4}"]}}).rules
    return Guard(rules, message="Not here.", figures=PrometheusFigures(CollectorRegistry()))


async def model(*script: Piece | Exception) -> AsyncGenerator[Piece, None]:
    """A model's stream."""
    for step in script:
        if isinstance(step, Exception):
            raise step
        yield step


async def left(guard: Guard, *script: Piece | Exception) -> tuple[list[tuple[type[Piece], str]], str | None]:
    """What left of each text as long as it spoke, in order, and why the rest did not."""
    spoken: list[tuple[type[Piece], str]] = []
    try:
        async for piece in guarded(model(*script), guard, most=100):
            if isinstance(piece, TextPiece | ReasoningPiece):
                if spoken and spoken[-1][0] is type(piece):
                    spoken[-1] = (type(piece), spoken[-1][1] + piece.text)
                else:
                    spoken.append((type(piece), piece.text))
    except ProviderError as error:
        return spoken, error.reason
    return spoken, None


@pytest.mark.parametrize("tail", ["12", "1234-567", "dar"])
async def test_the_rest_of_the_reasoning_leaves_before_the_text(guard: Guard, tail: str) -> None:
    seen: list[Piece] = []
    pieces = guarded(model(ReasoningPiece(f"Hm, {tail}"), TextPiece("Hello there"), TextPiece(".")), guard, most=100)
    async for piece in pieces:
        if isinstance(piece, TextPiece):
            break
        seen.append(piece)
    await pieces.aclose()
    assert "".join(piece.text for piece in seen if isinstance(piece, ReasoningPiece)) == f"Hm, {tail}"


async def test_a_text_without_characters_begins_nothing(guard: Guard) -> None:
    said = await left(guard, ReasoningPiece("1234"), TextPiece(""), ReasoningPiece("-5678"), TextPiece("Hello"))
    assert said == ([], "ANSWER_REFUSED")


async def test_reasoning_that_is_refused_at_its_end_lets_no_text_through(guard: Guard) -> None:
    said = await left(guard, ReasoningPiece("Hm. Darn"), TextPiece("Hello"))
    assert said == ([(ReasoningPiece, "Hm. ")], "ANSWER_REFUSED")


async def test_reasoning_that_goes_on_behind_the_text_is_one_with_what_came_before(guard: Guard) -> None:
    said = await left(
        guard,
        ReasoningPiece("one 12"),
        TextPiece("Hello"),
        ReasoningPiece("34 two "),
        TextPiece(" there"),
        ReasoningPiece("three 5"),
    )
    reasoning = "".join(text for kind, text in said[0] if kind is ReasoningPiece)
    text = "".join(text for kind, text in said[0] if kind is TextPiece)
    assert (reasoning, text, said[1]) == ("one 1234 two three 5", "Hello there", None)
    assert said[0][0] == (ReasoningPiece, "one 12")


@pytest.mark.parametrize(("first", "second"), [("1234-", "5678"), ("x 1", "234-5678 y")])
async def test_a_rule_is_not_broken_in_two_halves_around_a_text(guard: Guard, first: str, second: str) -> None:
    said = await left(guard, ReasoningPiece(first), TextPiece("Hello "), ReasoningPiece(second), TextPiece("there"))
    assert said == ([(ReasoningPiece, first)], "ANSWER_REFUSED")


async def test_a_stream_that_fails_behind_the_reasoning_gives_its_rest_once(guard: Guard) -> None:
    cut = ProviderError("PROVIDER_STREAM_CUT", "cut")
    said = await left(guard, ReasoningPiece("so 12"), TextPiece("Hello 34"), cut)
    assert said == ([(ReasoningPiece, "so 12"), (TextPiece, "Hello 34")], "PROVIDER_STREAM_CUT")


CALLS = ToolCallsPiece((RequestedCall("1", "clock", '{"zone":"CET"}'), RequestedCall("2", "mail", '{"text":"12"}')))


def asking(name: str = "mail", arguments: str = "{}") -> ToolCallsPiece:
    """An innocent call, and another."""
    return ToolCallsPiece((CALLS.calls[0], RequestedCall("2", name, arguments)))


async def pieces_of(guard: Guard, *script: Piece) -> tuple[list[Piece], str | None]:
    """Every piece that left, and why the rest did not."""
    seen: list[Piece] = []
    try:
        async for piece in guarded(model(*script), guard, most=100):
            seen.append(piece)  # noqa: PERF401 - what left counts, too, when the rest does not come
    except ProviderError as error:
        return seen, error.reason
    return seen, None


async def test_held_back_text_leaves_before_the_calls(guard: Guard) -> None:
    usage = UsageReport(Usage(1, 1, 2))
    seen, reason = await pieces_of(
        guard, ReasoningPiece("so dar"), TextPiece("at 12"), CALLS, ProviderParts("{}"), usage
    )
    text = "".join(piece.text for piece in seen if isinstance(piece, TextPiece))
    reasoning = "".join(piece.text for piece in seen if isinstance(piece, ReasoningPiece))
    assert (reasoning, text, reason) == ("so dar", "at 12", None)
    assert seen[-3:] == [CALLS, ProviderParts("{}"), usage]


@pytest.mark.parametrize(
    "asked",
    [
        asking("darn"),
        asking(arguments='{"text":"well, darn it"}'),
        asking(arguments='{"text":"well, d\\u0061rn it"}'),
        asking(arguments='{"text":"well,\\ndarn it"}'),
        asking(arguments='{"darn":1}'),
        asking(arguments='{"a":[{"b":[1,["1234-5678"]]}]}'),
        asking(arguments='darn, this is no "JSON'),
    ],
    ids=lambda piece: piece.calls[1].arguments,
)
async def test_no_call_leaves_when_one_breaks_a_rule(guard: Guard, asked: ToolCallsPiece) -> None:
    assert await pieces_of(guard, TextPiece("Hello "), asked, ProviderParts("{}")) == (
        [TextPiece("Hello ")],
        "ANSWER_REFUSED",
    )


async def test_no_call_leaves_an_answer_whose_held_back_text_breaks_a_rule(guard: Guard) -> None:
    seen, reason = await pieces_of(guard, TextPiece("Hello darn"), CALLS, ProviderParts("{}"))
    assert ({type(piece) for piece in seen}, reason) == ({TextPiece}, "ANSWER_REFUSED")


async def test_calls_that_cannot_be_judged_do_not_leave(guard: Guard) -> None:
    class Broken:
        """Rules that fail with whole texts."""

        version = "1"

        def broken_by(self, text: str) -> None:
            raise RuntimeError(text)

        def filter(self) -> TextFilter:
            return guard.filter()

    broken = Guard(Broken(), figures=PrometheusFigures(CollectorRegistry()))
    assert await pieces_of(broken, CALLS) == ([], "GUARDRAIL_UNAVAILABLE")
