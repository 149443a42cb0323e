"""What is asked of every contestant: the same call over HTTP and over gRPC, on the same data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from parley.v1 import run_pb2, thread_pb2

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.system import SystemIds
from server.cli.development_key import OWNER
from server.domain.conversation import Conversation
from server.domain.ids import ConversationId, MessageId
from server.domain.message import Message as ThreadMessage
from server.domain.message import Role
from server.ports.store import Transaction
from tests.bench.rig.load import GrpcLoad, HttpLoad
from tests.bench.rig.supplied_server import CALM, EVENTS

SHORT_THREAD = "bench-short"
LONG_THREAD = "bench-long"
_MESSAGES = 122  # 27 KB of JSON
_SENTENCE = "It will be sunny, with some clouds in the afternoon and a light wind from the west."


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of call, and how many are under way at a time."""

    name: str
    service: str
    method: str
    route: str
    request: Message
    connections: int
    events: int = 0
    """Events of each stream; 0 for a unary call."""

    def over_http(self, address: str, key: str, seconds: float) -> HttpLoad:
        """The call as JSON."""
        fields = {field.json_name: value for field, value in self.request.ListFields()}
        return self._post(address, self.route, key, json.dumps(fields).encode(), seconds)

    def over_grpc(self, address: str, key: str, seconds: float) -> GrpcLoad:
        """The call as protobuf."""
        return GrpcLoad(
            address=address,
            method=f"/{self.service}/{self.method}",
            message=self.request.SerializeToString(),
            metadata=(("x-api-key", key),),
            connections=self.connections,
            seconds=seconds,
            events=self.events,
        )

    def of_constants(self, address: str, size: int, seconds: float) -> HttpLoad:
        """The same request to the constant server; `size` bytes a unit come back."""
        route = f"/events/{self.events}/{size}" if self.events else f"/bytes/{size}"
        return self._post(address, route, "sk_live_none", b"{}", seconds)

    def _post(self, address: str, route: str, key: str, body: bytes, seconds: float) -> HttpLoad:
        lines = [
            f"POST {route} HTTP/1.1",
            f"host: {address}",
            f"x-api-key: {key}",
            "content-type: application/json",
            f"content-length: {len(body)}",
        ]
        head = "\r\n".join([*lines, "", ""]).encode()
        return HttpLoad(address, head + body, self.connections, seconds, self.events)


def _thread(name: str, method: str, route: str, request: type[Message], fields: Mapping[str, object]) -> Workload:
    message = ParseDict(dict(fields), request())
    return Workload(name, "parley.v1.ThreadService", method, f"/api/v1/llm/gateway/{route}", message, 8)


def _watch(name: str, key: str) -> Workload:
    request = run_pb2.WatchThreadRequest(conversation_key=key)
    route = "/api/v1/llm/gateway/watch-thread"
    return Workload(name, "parley.v1.RunService", "WatchThread", route, request, 4, EVENTS)


UNARY = (
    _thread("unary, small", "GetThread", "get-thread", thread_pb2.GetThreadRequest, {"conversationKey": SHORT_THREAD}),
    _thread(
        "unary, list",
        "ListMessages",
        "list-messages",
        thread_pb2.ListMessagesRequest,
        {"conversationKey": LONG_THREAD, "pageSize": _MESSAGES},
    ),
)
SUPPLIED = (
    *(replace(workload, name=f"{workload.name}, data at hand") for workload in UNARY),
    _watch("SSE, as fast as it is read", "bench"),
    _watch("SSE, one event at a time", f"{CALM}-bench"),
)
"""For a service that has its data at hand."""


async def fill(database: Path) -> None:
    """Put the threads that the unary workloads read into a service's database, for its development user."""
    async with open_store(f"sqlite+aiosqlite:///{database}", feed=LocalFeed()) as store:
        await store.write(OWNER, _fill)


async def _fill(tx: Transaction) -> None:
    ids, now = SystemIds(), datetime.now(UTC)
    for key, count in ((SHORT_THREAD, 1), (LONG_THREAD, _MESSAGES)):
        thread = Conversation(ConversationId(str(ids.uuid())), OWNER, key, "Bench", now, now)
        await tx.conversations.add(thread)
        for number in range(count):
            role = Role.ASSISTANT if number % 2 else Role.USER
            text = f"{number}: {_SENTENCE}"
            await tx.messages.append(ThreadMessage(MessageId(str(ids.uuid())), thread.id, role, text, now))
