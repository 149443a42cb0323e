"""The scripted upstream does what its scripts say, and tells what its client did."""

import asyncio

import httpx
import pytest

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
)


async def _bytes(upstream: ScriptedUpstream) -> bytes:
    """Everything that the server sends to one request until it closes; `ConnectionResetError` when it breaks."""
    url = httpx.URL(upstream.base_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(b'POST /v1/x HTTP/1.1\r\nX-A: b\r\nContent-Length: 8\r\n\r\n{"a": 1}')
        return await reader.read()
    finally:
        writer.close()


async def test_an_answer_is_a_chunked_stream_of_openai_s_events() -> None:
    async with ScriptedUpstream() as upstream, httpx.AsyncClient(trust_env=False) as client:
        upstream.script(answer(Reasoning("hm"), "Zürich", usage=(1, 2)))
        response = await client.post(f"{upstream.base_url}/chat/completions", json={"model": "m"})
        events = response.text.split("\n\n")
        assert response.headers["content-type"] == "text/event-stream"
        assert '"delta": {"reasoning_content": "hm"}' in events[0]
        assert '"delta": {"content": "Zürich"}' in events[1]
        assert '"finish_reason": "stop"' in events[2]
        assert '"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}' in events[3]
        assert events[4:] == ["data: [DONE]", ""]
        assert (upstream.requests[0].path, upstream.requests[0].body) == ("/v1/chat/completions", {"model": "m"})


async def test_bytes_are_sent_as_they_are_and_the_request_is_recorded() -> None:
    async with ScriptedUpstream() as upstream:
        upstream.script(raw(b"one", b"two", FIN))
        assert await _bytes(upstream) == b"onetwo"
        (request,) = upstream.requests
        assert (request.method, request.headers["x-a"], request.body) == ("POST", "b", {"a": 1})


@pytest.mark.parametrize("at", [0, 1, 4, 5, 6])
async def test_a_cut_ends_behind_its_byte(at: int) -> None:
    async with ScriptedUpstream() as upstream:
        upstream.script(raw(b"one", b"two", HANG).cut(at).sliced(2))
        assert await _bytes(upstream) == b"onetwo"[:at]


async def test_a_reset_breaks_the_connection() -> None:
    async with ScriptedUpstream() as upstream:
        upstream.script(raw(RESET), raw(b"one").cut(2, then=RESET))
        for _ in range(2):
            with pytest.raises(ConnectionResetError):
                await _bytes(upstream)


async def test_a_gate_holds_what_is_behind_it() -> None:
    async with ScriptedUpstream() as upstream:
        gate = Gate()
        upstream.script(raw(b"one", gate, b"two", FIN))
        reading = asyncio.create_task(_bytes(upstream))
        await asyncio.wait_for(gate.reached(), 5)
        assert not reading.done()
        gate.open()
        assert await reading == b"onetwo"


@pytest.mark.parametrize("script", [raw(HANG), raw(Gate()), raw(Endless(b"x" * 1000))], ids=["hang", "gate", "endless"])
async def test_a_client_that_goes_away_is_noticed_at_once(script: Script) -> None:
    async with ScriptedUpstream() as upstream:
        upstream.script(script)
        reading = asyncio.create_task(_bytes(upstream))
        await asyncio.wait_for(upstream.requested(), 5)
        assert (upstream.connections_open, upstream.abandoned) == (1, 0)
        reading.cancel()
        await asyncio.wait_for(upstream.gave_up(), 5)
        await asyncio.wait_for(upstream.disconnected(), 5)
        assert (upstream.connections_open, upstream.connections_made) == (0, 1)


async def test_scripts_come_in_order_then_the_default() -> None:
    async with ScriptedUpstream(default=refusal(404)) as upstream, httpx.AsyncClient(trust_env=False) as client:
        upstream.script(refusal(401), refusal(429, headers={"Retry-After": "3"}))
        responses = [await client.post(upstream.base_url) for _ in range(4)]
        assert [response.status_code for response in responses] == [401, 429, 404, 404]
        assert responses[1].headers["retry-after"] == "3"
        assert upstream.connections_made == 1


async def test_a_request_that_no_script_answers_fails_the_test() -> None:
    upstream = ScriptedUpstream()
    with pytest.raises(AssertionError, match="1 requests that no script answers"):
        async with upstream, httpx.AsyncClient(trust_env=False) as client:
            assert (await client.post(upstream.base_url)).status_code == 500
