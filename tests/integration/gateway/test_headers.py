"""Headers: the allow-lists both ways, request ids, and what never passes."""

import re
from typing import Any

import pytest

from gateway.config import INWARD_HEADERS, GatewayConfig
from tests.support.toy.served import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def seen(served: Served, headers: dict[str, str]) -> dict[str, Any]:
    """Give the metadata that the servicer saw."""
    reply = await served.client.get("/v1/act", headers=headers)
    assert reply.status_code == 200, reply.text
    metadata: dict[str, Any] = reply.json()["metadata"]
    metadata.pop("user-agent", None)  # grpc's own, on the channel
    return metadata


async def test_the_allow_list_passes(served: Served) -> None:
    names = [name for name in INWARD_HEADERS if name != "last-event-id"]
    assert await seen(served, {name.title(): f"value-{name}" for name in names}) == {n: f"value-{n}" for n in names}


@pytest.mark.parametrize(
    "name",
    [
        "grpc-trace-bin",
        "Grpc-Metadata-X-API-Key",
        "grpc-status",
        "te",
        "x-forwarded-for",
        "x_api_key",
        "cookie",
        "x-other",
    ],
)
async def test_other_headers_never_pass(served: Served, name: str) -> None:
    assert set(await seen(served, {name: "AAAA"})) == {"x-request-id"}


@pytest.mark.parametrize("text", ["AP8=", "AP8"], ids=["padded", "not padded"])
async def test_bin_headers_are_accepted_padded_or_not(kind: str, text: str) -> None:
    async with serving(kind, config=GatewayConfig(inward_headers=("x-trace-bin",))) as served:
        assert (await seen(served, {"x-trace-bin": text}))["x-trace-bin"] == "00ff"
        reply = await served.client.get("/v1/act", headers={"x-trace-bin": "!"})
        assert (reply.status_code, "x-trace-bin" in reply.text) == (400, True)


@pytest.mark.parametrize("value", [b"caf\xc3\xa9", b"tab\there", b"\xff"])
async def test_a_value_that_metadata_cannot_carry_is_400(served: Served, value: bytes) -> None:
    reply = await served.client.get("/v1/act", headers={b"x-api-key": value})
    assert (reply.status_code, "x-api-key" in reply.text) == (400, True)


async def test_an_identity_header_given_twice_is_400(served: Served) -> None:
    reply = await served.client.get("/v1/act", headers=[("x-api-key", "a"), ("X-API-Key", "b")])
    assert (reply.status_code, "x-api-key" in reply.text) == (400, True)


async def test_a_request_id_is_taken_over(served: Served) -> None:
    reply = await served.client.get("/v1/act", headers={"x-request-id": "mine-1"})
    assert reply.headers["x-request-id"] == reply.json()["metadata"]["x-request-id"] == "mine-1"


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 200, "<script>"])
async def test_a_request_id_is_made(served: Served, given: str | None) -> None:
    reply = await served.client.get("/v1/act", headers={} if given is None else {"x-request-id": given})
    assert re.fullmatch("[0-9a-f]{32}", reply.headers["x-request-id"])
    assert reply.headers["x-request-id"] == reply.json()["metadata"]["x-request-id"]


@pytest.mark.parametrize("path", ["/nothing", "/healthz", "/v1/stream?events=1", "/v1/act?code=5", "/v1/act?nothing=1"])
async def test_a_request_id_is_on_every_reply(served: Served, path: str) -> None:
    reply = await served.client.get(path, headers={"x-request-id": "mine-2"})
    assert reply.headers["x-request-id"] == "mine-2"


@pytest.mark.parametrize("path", ["/v1/act", "/v1/act?code=5&", "/v1/stream?events=1&"])
async def test_outward_is_an_allow_list(served: Served, path: str) -> None:
    path += ("&" if "?" in path else "?") + "headers=x-ratelimit-limit=10&headers=x-inner=secret&headers=retry-after=7"
    reply = await served.client.get(path)
    assert (reply.headers["x-ratelimit-limit"], reply.headers["retry-after"]) == ("10", "7")
    assert "x-inner" not in reply.headers


async def test_cr_and_lf_never_reach_a_header(served: Served) -> None:
    reply = await served.client.get("/v1/act?headers=retry-after=7%0d%0aset-cookie:%20a=b")
    assert "set-cookie" not in reply.headers
    assert reply.headers.get("retry-after") is None


async def test_the_clients_address_is_the_peer_in_process() -> None:
    async with serving("in_process") as served:
        peer = (await served.client.get("/v1/act")).json()["peer"]
    assert re.fullmatch(r"ipv4:127\.0\.0\.1:\d+", peer)
