"""A client that does what its documentation tells it: sends again with the same id, and resumes where it was cut."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

import httpx

from tests.faults.cluster import Cluster, Node

GATEWAY: Final = "/api/v1/llm/gateway"
_PATIENCE_SECONDS: Final = 60
_PAUSE_SECONDS: Final = 0.05
# Shorter than the patience, longer than a store lets its callers wait.
_CALL_SECONDS: Final = 20


class Seen(NamedTuple):
    """One server-sent event as it came."""

    id: int
    name: str
    raw: str


class Client:
    """Calls whichever process of the cluster is current, until it is answered."""

    def __init__(self, cluster: Cluster, key: str) -> None:
        self._cluster = cluster
        self.http = httpx.AsyncClient(headers={"X-API-Key": key}, timeout=_CALL_SECONDS, trust_env=False)

    async def call(self, route: str, body: Any, *, node: Node | None = None, mark: str = "") -> Any:
        """The reply. Server errors and lost connections are tried again, as is whatever an old process leaves open;
        under a `mark` all of them are one call."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                reply = await self.reply(route, body, node, mark=mark)
                if reply is not None and reply.status_code < 500:
                    assert reply.status_code == 200, f"{route}: {reply.status_code} {reply.text}"
                    return reply.json()
                await asyncio.sleep(_PAUSE_SECONDS)

    async def reply(self, route: str, body: Any, node: Node | None = None, *, mark: str = "") -> httpx.Response | None:
        """The reply to one attempt; `None` when the connection is lost, or clients have turned elsewhere. A route that
        begins with a slash is a whole path."""
        base = (node or self._cluster.current).base
        url = f"{base}{route}" if route.startswith("/") else f"{base}{GATEWAY}/{route}"
        headers = {"Idempotency-Key": mark} if mark else {}
        moved = asyncio.create_task(self._cluster.moved.wait())
        calling = asyncio.create_task(self.http.post(url, json=body, headers=headers))
        try:
            await asyncio.wait({calling, *(() if node else (moved,))}, return_when=asyncio.FIRST_COMPLETED)
            return calling.result() if calling.done() else None
        except httpx.TransportError:
            return None
        finally:
            await _cancelled(calling, moved)

    async def send(self, key: str, content: str) -> str:
        """Send a message, its content its request id; returns the run that the acknowledgement names."""
        body = {"conversation_key": key, "user_message": {"content": content}, "request_id": f"{key}/{content}"}
        return str((await self.call("send-message", body))["runId"])

    async def replay(
        self, node: Node, route: str, body: Any, *, until: Callable[[Seen], bool], after: int = 0
    ) -> list[Seen]:
        """Events of a stream behind a cursor, up to the first that ends it for the caller."""
        seen: list[Seen] = []
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await self.read(node, route, {**body, "after_sequence": after}, seen, until)
        return seen

    async def read(self, node: Node, route: str, body: Any, seen: list[Seen], until: Callable[[Seen], bool]) -> bool:
        """Append what a stream brings; whether the last of it was what the caller waits for."""
        headers = {"Last-Event-ID": str(seen[-1].id)} if seen else {}
        url, fields = f"{node.base}{GATEWAY}/{route}", dict[str, str]()
        async with self.http.stream("POST", url, json=body, headers=headers, timeout=_PATIENCE_SECONDS) as reply:
            if reply.status_code != 200:
                return False
            lines: list[str] = []
            async for line in reply.aiter_lines():
                if line:
                    lines.append(line)
                    name, _, value = line.partition(":")
                    fields[name] = value.strip()
                    continue
                if fields.get("id"):
                    seen.append(Seen(int(fields["id"]), fields.get("event", ""), "\n".join(lines)))
                    if until(seen[-1]):
                        return True
                fields, lines = {}, []
        return False

    async def close(self) -> None:
        """Close its connections."""
        await self.http.aclose()


class Viewer:
    """Watches a conversation through everything that happens, and remembers every byte of every event."""

    def __init__(self, client: Client, cluster: Cluster, key: str) -> None:
        self._client = client
        self._cluster = cluster
        self._key = key
        self.seen: list[Seen] = []
        self._task = asyncio.create_task(self._watch())

    async def saw(self, fact: Callable[[list[Seen]], bool]) -> None:
        """Wait until what was seen has a quality."""
        while not fact(self.seen):
            if self._task.done():
                self._task.result()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def close(self) -> None:
        """Look away."""
        await _cancelled(self._task)

    async def _watch(self) -> None:
        body = {"conversation_key": self._key}
        while True:
            node = self._cluster.current
            moved = asyncio.create_task(self._cluster.moved.wait())
            reading = asyncio.create_task(self._client.read(node, "watch-thread", body, self.seen, lambda _: False))
            try:
                await asyncio.wait({moved, reading}, return_when=asyncio.FIRST_COMPLETED)
                with suppress(httpx.TransportError):
                    _ = reading.done() and reading.result()
            finally:
                await _cancelled(moved, reading)
            await asyncio.sleep(_PAUSE_SECONDS)


async def _cancelled(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
