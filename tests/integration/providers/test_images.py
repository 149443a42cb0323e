"""Every way in which an images endpoint answers or fails, over real HTTP."""

import asyncio
import base64
from datetime import timedelta
from typing import Any

import pytest

from server.adapters.provider.retrying import RetryingProvider
from server.domain.image import MAX_IMAGE_BYTES
from server.ports.provider import Image, ImageRequest, ProviderError
from tests.integration.providers.conftest import KEY, Providers
from tests.support.images import DOT, GIF, JPEG_HEAD, WEBP_HEAD
from tests.support.upstream import (
    FIN,
    HANG,
    RESET,
    Endless,
    Gate,
    Script,
    ScriptedUpstream,
    raw,
    refusal,
    silence,
    wire,
)
from tests.unit.providers.clocks import InstantClock

REQUEST = ImageRequest("dall-e-3", "a dot")
SHORT = timedelta(milliseconds=50)


def whole(body: bytes, *, content_type: str = "application/json", **headers: str) -> Script:
    """A reply with a length."""
    shown = {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}
    return raw(wire.head(200, shown), body)


def replied(value: Any) -> Script:
    """A reply of 200 with this JSON."""
    return whole(wire.json_bytes(value))


def drawn(content: bytes) -> Script:
    """A reply with an image inside."""
    return replied({"created": 1, "data": [{"b64_json": base64.b64encode(content).decode()}]})


def placed(url: object) -> Script:
    """A reply with a URL."""
    return replied({"created": 1, "data": [{"url": url}]})


async def failure(providers: Providers, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await providers.make(**options).draw(REQUEST)
    assert KEY not in caught.value.message
    return caught.value


async def test_what_is_asked(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(drawn(DOT))
    assert await providers.make().draw(REQUEST) == Image(DOT, "image/png")
    (request,) = upstream.requests
    assert (request.method, request.path) == ("POST", "/v1/images/generations")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert (request.headers["content-type"], request.headers["accept"]) == ("application/json", "application/json")
    assert request.body == {"model": "dall-e-3", "prompt": "a dot", "n": 1, "response_format": "b64_json"}


@pytest.mark.parametrize("model", ["gpt-image-1", "openai/gpt-image-1-mini", "chatgpt-image-latest"])
async def test_models_that_refuse_to_be_asked_for_a_format_are_not(
    upstream: ScriptedUpstream, providers: Providers, model: str
) -> None:
    upstream.script(drawn(DOT))
    await providers.make().draw(ImageRequest(model, "a dot"))
    assert upstream.requests[0].body == {"model": model, "prompt": "a dot", "n": 1}


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_does_not_know_the_format_is_asked_again_without(
    upstream: ScriptedUpstream, providers: Providers, status: int
) -> None:
    upstream.script(refusal(status, message="Unknown parameter: 'response_format'."), drawn(DOT))
    assert await providers.make().draw(REQUEST) == Image(DOT, "image/png")
    assert [set(request.body) for request in upstream.requests] == [
        {"model", "prompt", "n", "response_format"},
        {"model", "prompt", "n"},
    ]


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (DOT, "image/png"),
        (GIF, "image/gif"),
        (JPEG_HEAD + b"rest", "image/jpeg"),
        (WEBP_HEAD + b"rest", "image/webp"),
    ],
    ids=["png", "gif", "jpeg", "webp"],
)
async def test_the_bytes_say_what_an_image_is(
    upstream: ScriptedUpstream, providers: Providers, content: bytes, media_type: str
) -> None:
    upstream.script(drawn(content))
    assert await providers.make().draw(REQUEST) == Image(content, media_type)


async def test_a_data_url_is_taken_for_base_64(upstream: ScriptedUpstream, providers: Providers) -> None:
    inline = f"data:image/jpeg;base64,{base64.b64encode(DOT).decode()}"
    upstream.script(replied({"data": [{"b64_json": inline}]}))
    assert await providers.make().draw(REQUEST) == Image(DOT, "image/png")


async def test_the_largest_image_that_is_taken(upstream: ScriptedUpstream, providers: Providers) -> None:
    content = DOT + bytes(MAX_IMAGE_BYTES - len(DOT))
    upstream.script(drawn(content))
    assert (await providers.make().draw(REQUEST)).content == content


async def test_an_image_is_fetched_from_the_servers_own_url(upstream: ScriptedUpstream, providers: Providers) -> None:
    url = upstream.base_url.replace("/v1", "/files/1.png?sig=x")
    upstream.script(placed(url), whole(DOT, content_type="text/html"))
    assert await providers.make().draw(REQUEST) == Image(DOT, "image/png")
    assert (upstream.requests[1].method, upstream.requests[1].path) == ("GET", "/files/1.png?sig=x")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://localhost:{port}/v1/x.png",
        "https://127.0.0.1:{port}/v1/x.png",
        "http://127.0.0.1:1/x.png",
        "http://127.0.0.1/x.png",
        "http://user:pass@127.0.0.1:{port}/x.png",
        "http://127.0.0.1:{port}@evil.example/x.png",
        "//127.0.0.1:{port}/x.png",
        "/x.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "http://[",
        "x",
    ],
)
async def test_no_other_url_is_asked(upstream: ScriptedUpstream, providers: Providers, url: str) -> None:
    port = upstream.base_url.rpartition(":")[2].partition("/")[0]
    upstream.script(placed(url.format(port=port)))
    assert (await failure(providers)).reason == "PROVIDER_PROTOCOL_ERROR"
    assert len(upstream.requests) == 1


async def test_a_redirect_is_not_followed(upstream: ScriptedUpstream, providers: Providers) -> None:
    elsewhere = {"Location": "http://169.254.169.254/"}
    upstream.script(placed(f"{upstream.base_url}/x.png"), refusal(302, headers=elsewhere))
    assert (await failure(providers)).reason == "PROVIDER_REJECTED_REQUEST"
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("script", "reason", "retryable"),
    [
        pytest.param(refusal(401), "PROVIDER_UNAUTHENTICATED", False, id="401"),
        pytest.param(refusal(403), "PROVIDER_UNAUTHENTICATED", False, id="403"),
        pytest.param(refusal(404), "PROVIDER_MODEL_NOT_FOUND", False, id="404"),
        pytest.param(refusal(400, message="safety system"), "PROVIDER_REJECTED_REQUEST", False, id="400"),
        pytest.param(refusal(408), "PROVIDER_TIMEOUT", True, id="408"),
        pytest.param(refusal(429), "PROVIDER_RATE_LIMITED", True, id="429"),
        pytest.param(refusal(500), "PROVIDER_UNAVAILABLE", True, id="500"),
        pytest.param(refusal(503, body=b"<html>"), "PROVIDER_UNAVAILABLE", True, id="503"),
        pytest.param(raw(FIN), "PROVIDER_UNAVAILABLE", True, id="hang up"),
        pytest.param(raw(RESET), "PROVIDER_UNAVAILABLE", True, id="reset"),
        pytest.param(raw(b"220 mail.example ESMTP\r\n\r\n", FIN), "PROVIDER_PROTOCOL_ERROR", False, id="no http"),
        pytest.param(drawn(DOT).cut(150), "PROVIDER_STREAM_CUT", True, id="cut"),
        pytest.param(drawn(DOT).cut(150, then=RESET), "PROVIDER_STREAM_CUT", True, id="broken"),
        pytest.param(whole(b"{nonsense"), "PROVIDER_PROTOCOL_ERROR", False, id="no json"),
        pytest.param(whole(b"<html>", content_type="text/html"), "PROVIDER_PROTOCOL_ERROR", False, id="a page"),
        pytest.param(whole(b""), "PROVIDER_PROTOCOL_ERROR", False, id="nothing"),
        pytest.param(whole(b"x", **{"Content-Encoding": "gzip"}), "PROVIDER_PROTOCOL_ERROR", False, id="compressed"),
        pytest.param(replied([]), "PROVIDER_PROTOCOL_ERROR", False, id="a list"),
        pytest.param(replied({}), "PROVIDER_PROTOCOL_ERROR", False, id="no data"),
        pytest.param(replied({"data": []}), "PROVIDER_PROTOCOL_ERROR", False, id="no image"),
        pytest.param(replied({"data": [None]}), "PROVIDER_PROTOCOL_ERROR", False, id="null"),
        pytest.param(replied({"data": [{"b64_json": None, "url": 7}]}), "PROVIDER_PROTOCOL_ERROR", False, id="no text"),
        pytest.param(replied({"data": [{"b64_json": "a+b/c$"}]}), "PROVIDER_PROTOCOL_ERROR", False, id="no base 64"),
        pytest.param(replied({"data": [{"b64_json": "ä"}]}), "PROVIDER_PROTOCOL_ERROR", False, id="no ascii"),
        pytest.param(drawn(b"<svg/>"), "PROVIDER_PROTOCOL_ERROR", False, id="svg"),
        pytest.param(drawn(b"<html><script>"), "PROVIDER_PROTOCOL_ERROR", False, id="html"),
        pytest.param(replied({"error": {"message": "no", "code": "503"}}), "PROVIDER_REPORTED_ERROR", True, id="said"),
    ],
)
async def test_failures(
    upstream: ScriptedUpstream, providers: Providers, script: Script, reason: str, retryable: bool
) -> None:
    upstream.script(script)
    error = await failure(providers)
    assert (error.reason, error.retryable) == (reason, retryable)


async def test_the_provider_says_how_long_to_wait(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(refusal(429, headers={"Retry-After": "7"}))
    assert (await failure(providers)).retry_after == timedelta(seconds=7)


async def test_an_endless_reply_is_left(upstream: ScriptedUpstream, providers: Providers) -> None:
    head = wire.head(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
    upstream.script(raw(head, Endless(wire.framed(b"x" * 65536))))
    assert (await failure(providers)).reason == "PROVIDER_PROTOCOL_ERROR"
    await asyncio.wait_for(upstream.gave_up(), 5)


@pytest.mark.parametrize(
    "script", [silence(), raw(wire.head(200, {"Content-Length": "9"}), HANG)], ids=["head", "body"]
)
async def test_an_image_that_does_not_come_in_time(
    upstream: ScriptedUpstream, providers: Providers, script: Script
) -> None:
    upstream.script(script)
    error = await failure(providers, first_token=SHORT)
    assert (error.reason, error.retryable) == ("PROVIDER_TIMEOUT", True)
    assert "no image within 0.05 s" in error.message


async def test_cancelling_ends_the_request_at_once(upstream: ScriptedUpstream, providers: Providers) -> None:
    gate = Gate()
    upstream.script(raw(gate))
    drawing = asyncio.create_task(providers.make().draw(REQUEST))
    await asyncio.wait_for(gate.reached(), 5)
    drawing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drawing
    await asyncio.wait_for(upstream.gave_up(), 5)


async def test_passing_failures_are_retried(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(refusal(503), refusal(429, headers={"Retry-After": "2"}), drawn(DOT))
    clock = InstantClock()
    provider = RetryingProvider(providers.make(), clock=clock, random=lambda: 0.5)
    assert await provider.draw(REQUEST) == Image(DOT, "image/png")
    assert clock.slept == [0.375, 2]


async def test_the_third_failure_is_the_answer(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(refusal(500), refusal(500), refusal(502))
    provider = RetryingProvider(providers.make(), clock=InstantClock(), random=lambda: 0.5)
    with pytest.raises(ProviderError, match="502"):
        await provider.draw(REQUEST)


async def test_a_refusal_is_not_retried(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(refusal(401))
    provider = RetryingProvider(providers.make(), clock=InstantClock(), random=lambda: 0.5)
    with pytest.raises(ProviderError):
        await provider.draw(REQUEST)
    assert len(upstream.requests) == 1
