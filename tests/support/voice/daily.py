"""Daily's REST API on a loopback port, as far as rooms and meeting tokens go: it keeps rooms, refuses what Daily
documents that it refuses, and can be away, slow, busy or wrong.

A token is a digest of what it permits, so that the same asked twice is the same answer, and a test can tell what a
token is for: `permits`.
"""

import asyncio
import hashlib
import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from tests.support.canaries.marks import canary

KEY: Final = canary("daily-key")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,41}")
_ROOM_PROPERTIES: Final = frozenset(
    {"exp", "eject_at_room_exp", "max_participants", "enable_chat", "enable_screenshare", "enable_knocking"}
    | {"start_video_off", "start_audio_off", "nbf"}
)
_TOKEN_PROPERTIES: Final = frozenset(
    {"room_name", "user_id", "user_name", "is_owner", "exp", "nbf", "eject_at_token_exp"}
)
_LONGEST_USER_ID: Final = 36


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request instead of its answer, or before it is sent."""

    status: int = 500
    body: bytes = b'{"error": "server-error", "info": "boom"}'
    headers: Mapping[str, str] = field(default_factory=dict)
    is_carried_out: bool = False
    """Whether what was asked for is done before."""
    hangs: bool = False
    """Whether no answer comes at all, and the connection stays."""
    hangs_up: bool = False
    """Whether the connection is closed without an answer."""


class StandInDaily:
    """Entered with `async with`."""

    def __init__(self) -> None:
        self.rooms: dict[str, dict[str, Any]] = {}
        """Rooms by name, as they were asked for, with their URL."""
        self.deleted: list[str] = []
        self.tokens: dict[str, dict[str, Any]] = {}
        """What each token that was given permits."""
        self.requests: list[Request] = []
        self.faults: deque[Fault] = deque()
        """One for each of the next requests."""
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[Any]] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """The API's base URL."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.go_away()

    async def go_away(self) -> None:
        """Close the port and every connection."""
        if self._server is None:
            return
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def permits(self, token: str) -> dict[str, Any]:
        """What a token permits."""
        return self.tokens[token]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)
        try:
            await self._exchange(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read(reader)
        self.requests.append(request)
        fault = self.faults.popleft() if self.faults else None
        if fault is None:
            status, body = self._answer(request)
            writer.write(_response(status, json.dumps(body).encode(), {}))
        else:
            if fault.is_carried_out:
                self._answer(request)
            if fault.hangs:
                await asyncio.Event().wait()
            if not fault.hangs_up:
                writer.write(_response(fault.status, fault.body, fault.headers))
        await writer.drain()

    def _answer(self, request: Request) -> tuple[int, Any]:
        authorization = request.headers.get("authorization")
        if authorization is None or not authorization.startswith("Bearer "):
            return 400, {"error": "authorization-header-error"}
        if authorization != f"Bearer {KEY}":
            return 401, {"error": "authentication-error", "info": f"no such key: {authorization}"}
        routes: list[tuple[str, str, Callable[[Request], tuple[int, Any]]]] = [
            ("POST", r"/v1/rooms", self._create),
            ("GET", r"/v1/rooms/[^/]+", self._get),
            ("DELETE", r"/v1/rooms/[^/]+", self._delete),
            ("POST", r"/v1/meeting-tokens", self._admit),
        ]
        for method, pattern, answer in routes:
            if request.method == method and re.fullmatch(pattern, request.path):
                return answer(request)
        return 404, {"error": "not-found"}

    def _create(self, request: Request) -> tuple[int, Any]:
        name, properties = request.body.get("name"), request.body.get("properties", {})
        if not isinstance(name, str) or not _NAME.fullmatch(name) or properties.keys() - _ROOM_PROPERTIES:
            return _invalid("name or properties")
        if name in self.rooms:
            return _invalid(f"a room named {name} already exists")
        if not isinstance(properties.get("exp"), int) or request.body.get("privacy") not in ("public", "private"):
            return _invalid("exp or privacy")
        self.rooms[name] = {
            "id": hashlib.sha256(name.encode()).hexdigest(),
            "name": name,
            "api_created": True,
            "privacy": request.body["privacy"],
            "url": f"https://example.daily.co/{name}",
            "config": properties,
        }
        return 200, self.rooms[name]

    def _get(self, request: Request) -> tuple[int, Any]:
        room = self.rooms.get(request.path.rpartition("/")[2])
        return (404, {"error": "not-found"}) if room is None else (200, room)

    def _delete(self, request: Request) -> tuple[int, Any]:
        name = request.path.rpartition("/")[2]
        if self.rooms.pop(name, None) is None:
            return 404, {"error": "not-found"}
        self.deleted.append(name)
        return 200, {"deleted": True, "name": name}

    def _admit(self, request: Request) -> tuple[int, Any]:
        properties = request.body.get("properties", {})
        if properties.keys() - _TOKEN_PROPERTIES or len(str(properties.get("user_id", ""))) > _LONGEST_USER_ID:
            return _invalid("properties")
        token = hashlib.sha256(json.dumps(properties, sort_keys=True).encode()).hexdigest()[:32]
        self.tokens[token] = properties
        return 200, {"token": token}


def _invalid(info: str) -> tuple[int, Any]:
    return 400, {"error": "invalid-request-error", "info": info}


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, json.loads(body) if body else None)


def _response(status: int, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
