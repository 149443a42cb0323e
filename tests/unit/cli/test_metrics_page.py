"""The figures, as they are unless the settings say otherwise: for this machine only."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx
import pytest

from gateway.edge.local_page import LocalPage
from server.cli.metrics_page import MetricsPage
from server.rpc.metrics import Metrics

Event = MutableMapping[str, Any]


async def get(client: tuple[str, int], **arguments: Any) -> httpx.Response:
    page = LocalPage(MetricsPage(Metrics()))

    async def app(
        scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
    ) -> None:
        await page(scope, receive, send)

    transport = httpx.ASGITransport(app, client=client)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        return await http.request(arguments.pop("method", "GET"), "/metrics", **arguments)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_this_machine_sees_them(host: str) -> None:
    reply = await get((host, 1))
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "process_cpu_seconds_total" in reply.text


@pytest.mark.parametrize("host", ["10.0.0.1", "unix", "::ffff:10.0.0.1"])
async def test_others_do_not(host: str) -> None:
    assert (await get((host, 1))).status_code == 404


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP"])
async def test_nor_do_those_who_come_through_a_proxy_on_it(header: str) -> None:
    assert (await get(("127.0.0.1", 1), headers={header: "10.0.0.1"})).status_code == 404


async def test_they_are_only_read() -> None:
    assert (await get(("127.0.0.1", 1), method="POST")).status_code == 405
