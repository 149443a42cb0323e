"""A `parley serve` as a user starts it, a model server that speaks at a steady pace, and listeners to both.

Every listener sends a message to a thread of its own over HTTP and reads the answer as server-sent events.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.system import SystemIds
from server.cli.development_key import OWNER
from server.domain.conversation import Conversation
from server.domain.ids import ConversationId
from server.ports.store import Transaction
from tests.bench.rig.listeners import Heard, Listeners, Listening
from tests.bench.rig.process import announced, cpu_seconds
from tests.e2e.service import Service, running

_GENERATE: Final = "/api/v1/llm/gateway/generate"
# No answer may be one that was given before.
_SETTINGS: Final = {"PARLEY_CACHE_SECONDS": "0", "PARLEY_DEFAULT_MODEL": "bench", "PARLEY_LOG_LEVEL": "warning"}


@dataclass(frozen=True, slots=True)
class Pace:
    """How an answer is said."""

    tokens: int
    per_second: int

    @property
    def message(self) -> str:
        """What asks the model server for it."""
        return f"{self.tokens} {self.per_second}"


class Speech:
    """The three of them."""

    def __init__(self, service: Service, upstream_pid: int, upstream: str, listeners: Listeners) -> None:
        self._pid = service.process.pid
        self._address = service.addresses["http"]
        self._key = service.development_key
        self._upstream_pid = upstream_pid
        self._upstream = upstream
        self._listeners = listeners

    def through_service(self, streams: int, pace: Pace, *, over_seconds: float = 0.0) -> list[Heard]:
        """Every token of so many streams as a viewer of the service gets it. Raises `ListeningFailed`."""
        body = {"user_message": {"content": pace.message}}
        requests = tuple(
            post(self._address, _GENERATE, self._key, {**body, "conversation_key": thread_key(number)})
            for number in range(streams)
        )
        return self._listeners.listen(Listening(self._address, requests, b'"textDelta"', over_seconds))

    def directly(self, streams: int, pace: Pace, *, over_seconds: float = 0.0) -> list[Heard]:
        """The same from the model server: what part of a delay is not the service's."""
        address = self._upstream.removeprefix("http://").removesuffix("/v1")
        body = {"messages": [{"role": "user", "content": pace.message}]}
        request = post(address, "/v1/chat/completions", self._key, body)
        return self._listeners.listen(Listening(address, (request,) * streams, b'"delta"', over_seconds))

    @property
    def service_cpu_seconds(self) -> float:
        """What the service's process has used so far."""
        return cpu_seconds([self._pid])

    @property
    def upstream_cpu_seconds(self) -> float:
        """What the model server has used so far."""
        return cpu_seconds([self._upstream_pid])


@contextmanager
def speech(*, threads: int) -> Iterator[Speech]:
    """All three for the length of a block; the service has so many empty threads."""
    words = (sys.executable, "-m", "tests.bench.rig.token_upstream")
    with TemporaryDirectory() as folder, announced(words) as (pid, upstream), Listeners() as listeners:
        data = Path(folder) / "data"
        with running(data, env={**_SETTINGS, "PARLEY_OPENAI_BASE_URL": upstream}, as_program=True) as service:
            asyncio.run(make_threads(data / "parley.db", threads))
            yield Speech(service, pid, upstream, listeners)


def thread_key(number: int) -> str:
    """The key of a thread that `make_threads` makes."""
    return f"bench-{number}"


async def make_threads(database: Path, count: int) -> None:
    """Put empty threads of the development user into a service's database."""
    ids, now = SystemIds(), datetime.now(UTC)

    async def unit(tx: Transaction) -> None:
        for number in range(count):
            identity = ConversationId(str(ids.uuid()))
            await tx.conversations.add(Conversation(identity, OWNER, thread_key(number), "Bench", now, now))

    async with open_store(f"sqlite+aiosqlite:///{database}", feed=LocalFeed()) as store:
        await store.write(OWNER, unit)


def post(address: str, route: str, key: str, fields: object) -> bytes:
    """A request with a key and a JSON body, as it goes over the wire."""
    body = json.dumps(fields).encode()
    lines = [
        f"POST {route} HTTP/1.1",
        f"host: {address}",
        f"x-api-key: {key}",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
