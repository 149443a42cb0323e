"""The service on a loop of its own in another thread, for clients that block, and things of a user to ask for."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.config import GatewayConfig
from server.domain.ids import default_organization_id
from tests.contract.api.directed_provider import DirectedProvider
from tests.integration.openapi.live import live_service

_USER, _TENANT = "anna", "acme"
_START_SECONDS = 30.0
# A stream without an event has its head soon, so that its reader need not wait for it.
_CONFIG = GatewayConfig(stream_hold=0.05)


@dataclass(frozen=True, slots=True)
class Background:
    """Where the service listens, and the key of a user."""

    url: str
    headers: dict[str, str]

    def things(self, key: str) -> "Things":
        """Make a thread of that key with an answered message, and a conversation with a session."""
        with httpx.Client(base_url=self.url, headers=self.headers, trust_env=False) as client:
            return Things(_made(client, key))


@dataclass(frozen=True, slots=True)
class Things:
    """What a user has: ids and keys by the names that requests call them."""

    known: dict[str, str]

    def put_into(self, fields: Any) -> Any:
        """Give fields of a request with the ids and keys among them replaced by such as there are."""
        if isinstance(fields, list):
            return [self.put_into(item) for item in fields]
        if not isinstance(fields, dict):
            return fields
        return {name: self.known.get(_plain(name), self.put_into(value)) for name, value in fields.items()}


@contextmanager
def background_service(folder: Path) -> Iterator[Background]:
    """Serve in another thread; leaving the block stops and joins it."""
    host = _Host(folder)
    thread = threading.Thread(target=host.run, daemon=True)
    thread.start()
    try:
        assert host.started.wait(_START_SECONDS), "the service has not started in time"
        assert host.url, "the service could not start"
        yield Background(host.url, {"authorization": f"Bearer {host.key}"})
    finally:
        host.stop()
        thread.join()


@dataclass(slots=True)
class _Host:
    folder: Path
    started: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    key: str = ""
    _loop: asyncio.AbstractEventLoop | None = None
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self.started.set()

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with live_service(self.folder, provider=DirectedProvider(), config=_CONFIG) as live:
            _, self.key = await live.served.key(_USER, tenant=_TENANT)
            self.url = live.url
            self.started.set()
            await self._stopped.wait()


def _made(client: httpx.Client, key: str) -> dict[str, str]:
    prefix, organization = "/api/v1/llm/gateway", {"org_id": default_organization_id(_TENANT)}
    thread = {"conversationKey": key}
    client.post(f"{prefix}/create-thread", json=thread).raise_for_status()
    client.post(f"{prefix}/generate", json={**thread, "userMessage": {"content": "Hi"}}).raise_for_status()
    runs = client.post(f"{prefix}/list-runs", json=thread).json()["runs"]
    models = client.get("/api/llm/list", params=organization).json()
    conversation = client.post("/api/conversation/create", params=organization, json={"title": "Talk"}).json()["id"]
    session = {"conversation_id": conversation, "model_id": models[0]["id"]}
    opened = client.post("/api/conversation/create_session", params=organization, json=session).json()["id"]
    return {
        "conversationkey": key,
        "runid": runs[0]["id"],
        "orgid": organization["org_id"],
        "conversationid": conversation,
        "modelid": models[0]["id"],
        "chatsessionid": opened,
        "model": models[0]["name"],
    }


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
