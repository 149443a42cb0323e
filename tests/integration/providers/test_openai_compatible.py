"""Every way in which a model server answers or fails, over real HTTP, on both transports."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest

from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.message import Role, Usage
from server.ports.provider import (
    CompletionRequest,
    CutShort,
    Piece,
    Provider,
    ProviderError,
    ReasoningPiece,
    TextPiece,
    UsageReport,
)
from tests.integration.providers.conftest import KEY, Providers
from tests.support.upstream import (
    FIN,
    HANG,
    RESET,
    Endless,
    Gate,
    Reasoning,
    Script,
    ScriptedUpstream,
    answer,
    raw,
    refusal,
    silence,
    stream,
    wire,
)

REQUEST = CompletionRequest(
    (PromptMessage(Role.SYSTEM, "be brief"), PromptMessage(Role.USER, "hi")),
    GenerationConfig(model="openai/gpt-4o", max_tokens=9),
)
SHORT = timedelta(milliseconds=50)


async def _collect(provider: Provider) -> list[Piece]:
    async with aclosing(provider.stream(REQUEST)) as pieces:
        return [piece async for piece in pieces]


async def _failure(provider: Provider) -> tuple[str, ProviderError]:
    """The text before the failure, and the failure."""
    taken: list[Piece] = []

    async def read() -> None:
        async with aclosing(provider.stream(REQUEST)) as pieces:
            async for piece in pieces:
                taken.append(piece)  # noqa: PERF401 - what was taken before the failure is the point

    with pytest.raises(ProviderError) as caught:
        await read()
    assert KEY not in caught.value.message
    return _text(taken), caught.value


def _text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))


async def test_an_answer_with_reasoning_and_usage(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(answer(Reasoning("hm"), "Hello", " Zürich 🏔", usage=(11, 3)))
    pieces = await _collect(providers.make())
    assert pieces[0] == ReasoningPiece("hm")
    assert _text(pieces) == "Hello Zürich 🏔"
    assert pieces[-1] == UsageReport(Usage(11, 3, 14))


async def test_what_is_asked(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(answer("x"))
    await _collect(providers.make(headers={"X-Title": "Parley", "HTTP-Referer": "http://localhost"}))
    (request,) = upstream.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert (request.headers["x-title"], request.headers["http-referer"]) == ("Parley", "http://localhost")
    assert (request.headers["content-type"], request.headers["accept"]) == ("application/json", "text/event-stream")
    assert request.headers["accept-encoding"] == "identity"
    assert request.body == {
        "model": "openai/gpt-4o",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 9,
    }


async def test_a_configured_header_replaces_ours(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(answer("x"))
    await _collect(providers.make(headers={"authorization": "Custom scheme"}))
    assert upstream.requests[0].headers["authorization"] == "Custom scheme"


async def test_pieces_come_as_they_are_sent(upstream: ScriptedUpstream, providers: Providers) -> None:
    first, second = Gate(), Gate()
    upstream.script(answer("one", first, "two", second, "three"))
    async with aclosing(providers.make().stream(REQUEST)) as pieces:
        assert await anext(pieces) == TextPiece("one")
        first.open()
        assert await anext(pieces) == TextPiece("two")
        second.open()
        assert _text([piece async for piece in pieces]) == "three"


@pytest.mark.parametrize("size", [1, 2, 5, 64])
async def test_slices_of_any_size_give_the_same_text(
    upstream: ScriptedUpstream, providers: Providers, size: int
) -> None:
    upstream.script(answer("Grüezi", " Zürich 🏔", usage=(1, 2)).sliced(size))
    pieces = await _collect(providers.make())
    assert _text(pieces) == "Grüezi Zürich 🏔"
    assert pieces[-1] == UsageReport(Usage(1, 2, 3))


async def test_a_connection_serves_one_request_after_another(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(answer("a"), refusal(429), answer("b").sliced(7), answer("c"))
    provider = providers.make()
    await _collect(provider)
    await _failure(provider)
    assert _text([*await _collect(provider), *await _collect(provider)]) == "bc"
    assert upstream.connections_made == 1


async def test_a_connection_that_the_server_closed_is_replaced(
    upstream: ScriptedUpstream, providers: Providers
) -> None:
    upstream.script(Script((*answer("a").steps, FIN)), answer("b"))
    provider = providers.make()
    await _collect(provider)
    await asyncio.wait_for(upstream.disconnected(), 5)
    assert _text(await _collect(provider)) == "b"


async def test_answers_run_beside_one_another(upstream: ScriptedUpstream, providers: Providers) -> None:
    gates = [Gate() for _ in range(20)]
    upstream.script(*(answer("held", gate) for gate in gates))
    provider = providers.make()
    reading = [asyncio.create_task(_collect(provider)) for _ in gates]
    await asyncio.wait_for(asyncio.gather(*(gate.reached() for gate in gates)), 5)
    for gate in gates:
        gate.open()
    assert [_text(pieces) for pieces in await asyncio.gather(*reading)] == ["held"] * 20


async def test_missing_usage_is_no_failure(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(answer("Hello", usage=None))
    assert await _collect(providers.make()) == [TextPiece("Hello")]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_an_answer_that_was_stopped_is_over_and_says_so(
    upstream: ScriptedUpstream, providers: Providers, reason: str
) -> None:
    upstream.script(answer("Hel", finish_reason=reason))
    pieces = await _collect(providers.make())
    assert _text(pieces) == "Hel"
    assert CutShort() in pieces


async def test_a_finish_reason_and_an_orderly_end_are_a_whole_answer(
    upstream: ScriptedUpstream, providers: Providers
) -> None:
    upstream.script(answer("Hello", done=False))
    assert _text(await _collect(providers.make())) == "Hello"


async def test_a_body_that_only_the_close_ends(upstream: ScriptedUpstream, providers: Providers) -> None:
    head = wire.head(200, {"Content-Type": "text/event-stream"})
    text = wire.event(wire.completion_chunk({"content": "x"}))
    stop = wire.event(wire.completion_chunk({}, finish_reason="stop"))
    upstream.script(raw(head, text, stop, FIN), raw(head, text, FIN))
    provider = providers.make()
    assert await _collect(provider) == [TextPiece("x")]
    text_before, error = await _failure(provider)
    assert (text_before, error.reason) == ("x", "PROVIDER_STREAM_CUT")


async def test_a_line_open_after_done_delays_nothing_for_long(upstream: ScriptedUpstream, providers: Providers) -> None:
    script = answer("x")
    upstream.script(Script((*script.steps[:-1], HANG)))
    assert _text(await asyncio.wait_for(_collect(providers.make()), 5)) == "x"
    await asyncio.wait_for(upstream.gave_up(), 5)


@pytest.mark.parametrize(
    ("script", "reason", "retryable"),
    [
        pytest.param(refusal(401), "PROVIDER_UNAUTHENTICATED", False, id="401"),
        pytest.param(refusal(403), "PROVIDER_UNAUTHENTICATED", False, id="403"),
        pytest.param(refusal(404), "PROVIDER_MODEL_NOT_FOUND", False, id="404"),
        pytest.param(refusal(400, code="context_length_exceeded"), "CONTEXT_TOO_LONG", False, id="too long"),
        pytest.param(refusal(400), "PROVIDER_REJECTED_REQUEST", False, id="400"),
        pytest.param(refusal(402, message="Insufficient credits"), "PROVIDER_REJECTED_REQUEST", False, id="402"),
        pytest.param(refusal(429), "PROVIDER_RATE_LIMITED", True, id="429"),
        pytest.param(refusal(500), "PROVIDER_UNAVAILABLE", True, id="500"),
        pytest.param(
            refusal(503, body=b"<html>", content_type="text/html"), "PROVIDER_UNAVAILABLE", True, id="503 page"
        ),
        pytest.param(refusal(400, body=b"x" * 1_000_000), "PROVIDER_REJECTED_REQUEST", False, id="much to say"),
        pytest.param(refusal(200, message="boo"), "PROVIDER_REPORTED_ERROR", False, id="error document"),
        pytest.param(refusal(200, body=b'{"choices": []}'), "PROVIDER_PROTOCOL_ERROR", False, id="other document"),
        pytest.param(
            refusal(200, body=b"<html>", content_type="text/html; charset=x"),
            "PROVIDER_PROTOCOL_ERROR",
            False,
            id="web page",
        ),
        pytest.param(
            answer("x", headers={"Content-Encoding": "gzip"}), "PROVIDER_PROTOCOL_ERROR", False, id="compressed"
        ),
        pytest.param(raw(wire.head(204, {})), "PROVIDER_PROTOCOL_ERROR", False, id="204"),
        pytest.param(raw(b"220 mail.example ESMTP\r\n\r\n", FIN), "PROVIDER_PROTOCOL_ERROR", False, id="not HTTP"),
        pytest.param(raw(FIN), "PROVIDER_UNAVAILABLE", True, id="FIN"),
        pytest.param(raw(RESET), "PROVIDER_UNAVAILABLE", True, id="RST"),
        pytest.param(raw(b"HTTP/1.1 200 O", FIN), "PROVIDER_UNAVAILABLE", True, id="FIN in the head"),
        pytest.param(stream(), "PROVIDER_STREAM_CUT", True, id="nothing"),
        pytest.param(stream(b": only a comment\n\n"), "PROVIDER_STREAM_CUT", True, id="only a comment"),
        pytest.param(stream(b"data: {nonsense\n\n"), "PROVIDER_PROTOCOL_ERROR", False, id="nonsense"),
        pytest.param(
            stream(wire.event({"error": {"message": "boo", "code": 502}})),
            "PROVIDER_REPORTED_ERROR",
            True,
            id="error event",
        ),
    ],
)
async def test_failures_before_the_first_piece(
    upstream: ScriptedUpstream, providers: Providers, script: Script, reason: str, retryable: bool
) -> None:
    upstream.script(script)
    text, error = await _failure(providers.make())
    assert (text, error.reason, error.retryable) == ("", reason, retryable)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (answer("Hel", FIN), "PROVIDER_STREAM_CUT"),
        (answer("Hel", RESET), "PROVIDER_STREAM_CUT"),
        (stream("Hel"), "PROVIDER_STREAM_CUT"),
        (answer("Hel", b"data: {nonsense\n\n"), "PROVIDER_PROTOCOL_ERROR"),
        (answer("Hel", b"data: \xff\xfe\n\n"), "PROVIDER_PROTOCOL_ERROR"),
        (answer("Hel", b"data: " + b"x" * 10_000_000), "PROVIDER_PROTOCOL_ERROR"),
        (answer("Hel", wire.event({"error": {"message": "boo"}})), "PROVIDER_REPORTED_ERROR"),
    ],
    ids=["FIN", "RST", "orderly end", "nonsense", "not UTF-8", "10 MB line", "error object"],
)
async def test_failures_in_the_middle_keep_the_text_before_them(
    upstream: ScriptedUpstream, providers: Providers, script: Script, reason: str
) -> None:
    upstream.script(script)
    text, error = await _failure(providers.make())
    assert (text, error.reason) == ("Hel", reason)


async def test_a_response_cut_at_any_byte_is_never_taken_for_whole(
    upstream: ScriptedUpstream, providers: Providers
) -> None:
    provider = providers.make()
    whole = answer("Zü", "rich", usage=None, done=False, finish_reason=None)
    for at in range(whole.size):
        upstream.script(whole.cut(at))
        text, error = await _failure(provider)
        assert "Zürich".startswith(text), at
        assert error.reason in {"PROVIDER_STREAM_CUT", "PROVIDER_UNAVAILABLE"}, at
        assert error.retryable, at


async def test_retry_after_is_passed_on(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(refusal(429, headers={"Retry-After": "7"}))
    _, error = await _failure(providers.make())
    assert error.retry_after == timedelta(seconds=7)
    assert "in 7 s" in error.message


async def test_the_provider_s_words_are_quoted_without_the_key(
    upstream: ScriptedUpstream, providers: Providers
) -> None:
    upstream.script(refusal(400, message=f"top_k is not supported for {KEY}"))
    _, error = await _failure(providers.make())
    assert "top_k is not supported" in error.message


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(upstream: ScriptedUpstream, providers: Providers, status: int) -> None:
    upstream.script(refusal(status, headers={"Location": upstream.base_url}))
    _, error = await _failure(providers.make())
    assert error.reason == "PROVIDER_REJECTED_REQUEST"
    assert len(upstream.requests) == 1


async def test_nobody_listens(providers: Providers) -> None:
    async with ScriptedUpstream() as gone:
        base_url = gone.base_url
    _, error = await _failure(providers.make(base_url=base_url))
    assert (error.reason, error.retryable) == ("PROVIDER_UNAVAILABLE", True)


@pytest.mark.parametrize(
    "script",
    [
        silence(),
        raw(b"HTTP/1.1 200 OK\r\n", HANG),
        answer(HANG),
        answer(wire.event(wire.completion_chunk({"role": "assistant", "content": ""})), HANG),
        answer(Endless(b": still here\n\n")),
    ],
    ids=["no byte", "half a head", "no token", "an empty delta", "comments"],
)
async def test_no_token_in_time(upstream: ScriptedUpstream, providers: Providers, script: Script) -> None:
    upstream.script(script)
    text, error = await _failure(providers.make(first_token=SHORT))
    assert (text, error.reason, error.retryable) == ("", "PROVIDER_TIMEOUT", True)
    assert "0.05 s" in error.message
    # Not `gave_up`: on a busy machine the time may be over before the server has seen the request.
    await asyncio.wait_for(upstream.disconnected(), 5)


@pytest.mark.parametrize("tail", [HANG, Endless(b": still here\n\n")], ids=["silence", "comments"])
async def test_silence_between_tokens(upstream: ScriptedUpstream, providers: Providers, tail: Endless) -> None:
    upstream.script(answer("Hel", tail))
    text, error = await _failure(providers.make(between_tokens=SHORT))
    assert (text, error.reason, error.retryable) == ("Hel", "PROVIDER_STALLED", True)
    await asyncio.wait_for(upstream.gave_up(), 5)


async def test_time_that_the_consumer_takes_is_not_the_provider_s_silence(
    upstream: ScriptedUpstream, providers: Providers
) -> None:
    upstream.script(answer("Hel", "lo").sliced(40))
    async with aclosing(providers.make(between_tokens=SHORT).stream(REQUEST)) as pieces:
        taken = [await anext(pieces)]
        await asyncio.sleep(3 * SHORT.total_seconds())
        taken += [piece async for piece in pieces]
    assert _text(taken) == "Hello"


async def test_an_error_body_that_never_ends_does_not_hold_the_answer(
    upstream: ScriptedUpstream, providers: Providers
) -> None:
    upstream.script(raw(wire.head(500, {"Transfer-Encoding": "chunked"}), Endless(wire.framed(b"x" * 1000))))
    _, error = await _failure(providers.make())
    assert error.reason == "PROVIDER_UNAVAILABLE"
    await asyncio.wait_for(upstream.gave_up(), 5)


async def test_closing_the_stream_ends_the_request_at_once(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(answer("Hel", HANG))
    pieces = providers.make().stream(REQUEST)
    assert await anext(pieces) == TextPiece("Hel")
    await pieces.aclose()
    await asyncio.wait_for(upstream.gave_up(), 5)
    assert upstream.connections_open == 0


async def test_an_endless_answer_ends_when_the_reader_has_enough(
    upstream: ScriptedUpstream, providers: Providers
) -> None:
    upstream.script(answer(Endless("x")))
    size = 0
    async with aclosing(providers.make().stream(REQUEST)) as pieces:
        async for piece in pieces:
            size += len(piece.text) if isinstance(piece, TextPiece) else 0
            if size > 5000:
                break
    await asyncio.wait_for(upstream.gave_up(), 5)


@pytest.mark.parametrize("script", [silence(), answer("Hel", HANG)], ids=["before", "after"])
async def test_cancelling_the_reader_ends_the_request_at_once(
    upstream: ScriptedUpstream, providers: Providers, script: Script
) -> None:
    upstream.script(script)
    reading = asyncio.create_task(_collect(providers.make()))
    await asyncio.wait_for(upstream.requested(), 5)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await asyncio.wait_for(upstream.gave_up(), 5)
