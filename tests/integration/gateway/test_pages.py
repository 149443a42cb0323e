"""Health and the operator's pages."""

from typing import Any

import httpx
import pytest
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]

from gateway.config import GatewayConfig
from tests.support.toy.served import serving

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_ready_is_what_the_health_service_says(kind: str) -> None:
    async with serving(kind) as served:
        assert (await served.client.get("/readyz")).status_code == 200
        await served.health.set("", NOT_SERVING)
        assert (await served.client.get("/readyz")).status_code == 503
        assert (await served.client.get("/healthz")).status_code == 200


async def test_ready_is_503_when_the_service_is_gone(kind: str) -> None:
    async with serving(kind, config=GatewayConfig(health_timeout=0.5)) as served:
        await served.backend.stop(0)
        assert (await served.client.get("/readyz")).status_code == 503
        assert (await served.client.get("/healthz")).json() == {"status": "ok"}


async def test_a_stopping_gateway_is_not_ready(kind: str) -> None:
    async with serving(kind) as served:
        served.app.stop_readiness()
        assert (await served.client.get("/readyz")).status_code == 503


async def metrics(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"one 1\n"})


async def test_extra_pages_are_asgi_applications_of_their_own() -> None:
    async with serving("in_process", extra={"/metrics": metrics}) as served:
        reply = await served.client.get("/metrics")
    assert (reply.text, reply.headers["content-type"]) == ("one 1\n", "text/plain")
    assert "x-request-id" in reply.headers


class Seen:
    def __init__(self) -> None:
        self.exchanges: list[tuple[str, str, int]] = []

    def finished(self, route: str, method: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.exchanges.append((route, method, status))


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/v1/match/secret", "GET /v1/match/{text}", 200),
        ("/v1/act?code=5", "GET /v1/act", 404),
        ("/v1/stream?events=1", "GET /v1/stream", 200),
        ("/secret", "unrouted", 404),
        ("/healthz", "/healthz", 200),
    ],
)
async def test_the_observer_hears_of_routes_not_of_what_callers_wrote(path: str, route: str, status: int) -> None:
    seen = Seen()
    async with serving("in_process", observer=seen) as served:
        await served.client.get(path)
    assert seen.exchanges == [(route, "GET", status)]


async def broken(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("secret")


async def test_an_error_of_the_gateway_itself_is_a_500_that_gives_nothing_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving("in_process", extra={"/broken": broken}) as served:
        reply = await served.client.get("/broken")
    assert (reply.status_code, reply.json()["error"]["message"]) == (500, "Unexpected error in the gateway.")
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text.replace('raise ValueError("secret")', "")


async def test_any_asgi_server_will_do() -> None:
    """The application asks for no more than the specification has; our server's short cut is an extension."""
    async with serving("in_process") as served:
        transport = httpx.ASGITransport(app=served.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
            assert (await client.post("/v1/samples", json={"text": "x"})).json() == {"text": "x"}
            assert (await client.get("/v1/act?code=16")).headers["www-authenticate"] == "Toy"
            assert (await client.head("/v1/samples")).content == b""
