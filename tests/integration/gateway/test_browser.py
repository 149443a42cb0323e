"""HEAD, OPTIONS, CORS, gzip, raw bodies, lengths: what browsers and other ordinary clients expect of HTTP."""

import gzip

import pytest

from gateway.config import GatewayConfig
from tests.support.toy.served import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
ORIGIN = {"origin": "https://app.example"}
CORS = GatewayConfig(cors_origins=("https://app.example",))


@pytest.mark.parametrize("path", ["/v1/samples?text=abc", "/v1/match/x", "/v1/act?code=5", "/healthz", "/nothing"])
async def test_head_is_get_without_the_body(served: Served, path: str) -> None:
    whole = await served.client.get(path)
    head = await served.client.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    if path != "/v1/act?code=5":
        assert head.headers["content-length"] == whole.headers["content-length"]


async def test_head_of_a_path_without_get_is_405(served: Served) -> None:
    assert (await served.client.head("/v1/raw")).status_code == 405


async def test_options_is_405_while_no_origin_is_configured(served: Served) -> None:
    reply = await served.client.options("/v1/samples", headers=ORIGIN | {"access-control-request-method": "POST"})
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD, POST")
    assert "access-control-allow-origin" not in reply.headers


async def test_no_cors_headers_while_no_origin_is_configured(served: Served) -> None:
    reply = await served.client.get("/v1/samples", headers=ORIGIN)
    assert not [name for name in reply.headers if name.startswith("access-control")]


async def test_a_preflight_says_what_is_allowed() -> None:
    async with serving("in_process", config=CORS) as served:
        asked = ORIGIN | {"access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
        reply = await served.client.options("/v1/samples", headers=asked)
        assert (reply.status_code, reply.content) == (204, b"")
        assert reply.headers["access-control-allow-origin"] == "https://app.example"
        assert reply.headers["access-control-allow-methods"] == "GET, HEAD, POST"
        assert "x-api-key" in reply.headers["access-control-allow-headers"]
        assert (await served.client.options("/v1/samples")).headers["allow"] == "GET, HEAD, POST"
        assert (await served.client.options("/nothing", headers=asked)).status_code == 404


@pytest.mark.parametrize("path", ["/v1/samples", "/v1/act?code=5", "/v1/stream?events=1", "/nothing"])
async def test_every_reply_to_a_configured_origin_can_be_read(path: str) -> None:
    async with serving("in_process", config=CORS) as served:
        reply = await served.client.get(path, headers=ORIGIN)
        assert reply.headers["access-control-allow-origin"] == "https://app.example"
        assert "x-request-id" in reply.headers["access-control-expose-headers"]
        other = await served.client.get(path, headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
        assert other.headers["vary"] == "origin"


async def test_a_star_allows_any_origin() -> None:
    async with serving("in_process", config=GatewayConfig(cors_origins=("*",))) as served:
        reply = await served.client.get("/v1/samples", headers=ORIGIN)
        assert reply.headers["access-control-allow-origin"] == "*"


LONG = "/v1/samples?text=" + "x" * 1500


@pytest.mark.parametrize("accept", ["gzip", "br, gzip;q=0.5", "*"])
async def test_long_replies_are_compressed_when_asked(served: Served, accept: str) -> None:
    async with served.client.stream("GET", LONG, headers={"accept-encoding": accept}) as reply:
        raw = b"".join([piece async for piece in reply.aiter_raw()])
    assert (reply.headers["content-encoding"], reply.headers["vary"]) == ("gzip", "accept-encoding")
    assert int(reply.headers["content-length"]) == len(raw) < 200
    assert gzip.decompress(raw).startswith(b'{"text":"xxx')


@pytest.mark.parametrize(
    ("path", "accept"),
    [(LONG, "identity"), (LONG, ""), (LONG, "gzip;q=0"), (LONG, "gzip;q=0.0"), ("/v1/samples?text=x", "gzip")],
)
async def test_other_replies_are_not(served: Served, path: str, accept: str) -> None:
    reply = await served.client.get(path, headers={"accept-encoding": accept})
    assert "content-encoding" not in reply.headers
    assert int(reply.headers["content-length"]) == len(reply.content)


async def test_a_very_long_reply_is_compressed_too(served: Served) -> None:
    reply = await served.client.get("/v1/act?size=1000000", headers={"accept-encoding": "gzip"})
    assert len(reply.json()["text"]) == 1_000_000
    assert reply.headers["content-encoding"] == "gzip"


async def test_http_body_goes_both_ways_as_it_is(served: Served) -> None:
    reply = await served.client.post("/v1/raw", content=b"\x00\xff raw", headers={"content-type": "image/toy"})
    assert (reply.headers["content-type"], reply.content) == ("image/toy", b"\x00\xff raw")
    assert reply.headers["x-content-type-options"] == "nosniff"


async def test_http_body_without_a_type_is_octets(served: Served) -> None:
    reply = await served.client.post("/v1/raw", content=b"raw")
    assert reply.headers["content-type"] == "application/octet-stream"


async def test_http_body_as_a_field(served: Served) -> None:
    reply = await served.client.post("/v1/samples:raw?text=t", content=b"raw", headers={"content-type": "text/toy"})
    assert reply.json() == {"text": "t", "raw": {"contentType": "text/toy", "data": "cmF3"}}


async def test_no_content_has_neither_type_nor_length(served: Served) -> None:
    reply = await served.client.delete("/v1/nothing")
    assert (reply.status_code, reply.content) == (204, b"")
    assert "content-type" not in reply.headers
    assert "content-length" not in reply.headers


async def test_replies_are_compact_utf_8(served: Served) -> None:
    reply = await served.client.get("/v1/samples?text=%E2%82%AC&number=1")
    assert reply.content == '{"text":"€","number":1}'.encode()
