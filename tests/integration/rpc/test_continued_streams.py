"""Streams of answers through every door: cut anywhere, they continue by the `id` of the last event seen, and nothing is
sent again."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import httpx
import pytest
from parley.archive.v3 import archive_pb2, archive_pb2_grpc
from parley.conversations.v1 import conversations_pb2, conversations_pb2_grpc

from server.domain.ids import default_organization_id
from tests.contract.api.serving import Served, serve
from tests.support.house import ANNA
from tests.support.scripted_provider import ScriptedProvider
from tests.support.tool_talk import calls
from tests.support.upstream.gate import Gate

_ORGANIZATION: Final = default_organization_id("acme")
_CONVERSATIONS: Final = "/api/conversation"
_DOORS: Final = ["conversations", "archive"]
_WAYS: Final = ["grpc", "http-in-process", "http-channel"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An event as it came: its `id`, what kind it is, and all its bytes."""

    id: str
    kind: str
    wire: bytes


@dataclass(frozen=True, slots=True)
class Door:
    """One message of one caller, and the stream of its answer by one way."""

    served: Served
    key: str
    way: str
    path: str
    body: dict[str, Any]
    stub: Any
    request: Any

    async def shown(self, seen: str = "") -> AsyncGenerator[Shown, None]:
        """The stream, continued behind `seen`; closing it cuts it."""
        events = self._over_grpc(seen) if self.way == "grpc" else self._over_http(seen)
        async with aclosing(events):
            async for event in events:
                yield event

    async def whole(self, seen: str = "") -> list[Shown]:
        """All of the stream behind `seen`."""
        return [event async for event in self.shown(seen)]

    async def cut(self, kind: str, seen: str = "") -> list[Shown]:
        """The stream up to the first event of a kind, where it is cut."""
        found = []
        async with aclosing(self.shown(seen)) as events:
            async for event in events:
                found.append(event)
                if event.kind == kind:
                    return found
        raise AssertionError(f"{kind} never came")

    async def _over_grpc(self, seen: str) -> AsyncGenerator[Shown, None]:
        request = type(self.request)()
        request.CopyFrom(self.request)
        request.last_event_id = seen
        call = self.stub.StreamChat(request, metadata=(("authorization", f"Bearer {self.key}"),))
        try:
            async for event in call:
                yield Shown(event.id, event.WhichOneof("event"), event.SerializeToString(deterministic=True))
        finally:
            call.cancel()

    async def _over_http(self, seen: str) -> AsyncGenerator[Shown, None]:
        client = self.served.in_process if self.way == "http-in-process" else self.served.through_channel
        headers = {"authorization": f"Bearer {self.key}", "accept": "text/event-stream"}
        headers |= {"last-event-id": seen} if seen else {}
        async with client.stream("POST", self.path, json=self.body, headers=headers) as reply:
            if reply.status_code != 200:
                await reply.aread()
                raise httpx.HTTPStatusError(reply.text, request=reply.request, response=reply)
            lines: list[str] = []
            async for line in reply.aiter_lines():
                if line.startswith(":"):
                    continue
                if line:
                    lines.append(line)
                elif lines:
                    yield _block(lines)
                    lines = []


def _block(lines: list[str]) -> Shown:
    fields = dict(line.split(": ", 1) for line in lines)
    return Shown(fields.get("id", ""), fields["event"], "\n".join(lines).encode())


@asynccontextmanager
async def _opened(served: Served, door: str, way: str) -> AsyncIterator[Door]:
    _, key = await served.key()
    if door == "archive":
        body: dict[str, Any] = {"message": "Hi", "stream": True}
        stub: Any = archive_pb2_grpc.ArchiveServiceStub(served.channel)
        yield Door(served, key, way, "/api/v3/chat", body, stub, archive_pb2.ChatRequest(**body))
        return
    here, headers = {"org_id": _ORGANIZATION}, {"authorization": f"Bearer {key}"}

    async def post(path: str, body: dict[str, Any]) -> str:
        url = f"{_CONVERSATIONS}/{path}"
        reply = await served.in_process.post(url, params=here, json=body, headers=headers)
        return str(reply.json()["id"])

    models = await served.in_process.get("/api/llm/list", params=here, headers=headers)
    talk = await post("create", {"title": "A talk"})
    session = await post("create_session", {"conversation_id": talk, "model_id": models.json()[0]["id"]})
    body = {"chat_session_id": session, "message": "Hi"}
    yield Door(
        served,
        key,
        way,
        f"{_CONVERSATIONS}/stream_chat?org_id={_ORGANIZATION}",
        body,
        conversations_pb2_grpc.ConversationServiceStub(served.channel),
        conversations_pb2.StreamChatRequest(org_id=_ORGANIZATION, chat=conversations_pb2.Chat(**body)),
    )


@pytest.fixture(params=_DOORS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=_WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider(default=("Hello", " there"))


@pytest.fixture
async def door(tmp_path: Path, provider: ScriptedProvider, name: str, way: str) -> AsyncIterator[Door]:
    async with serve(tmp_path, provider=provider) as served, _opened(served, name, way) as opened:
        yield opened


def own(events: list[Shown]) -> list[Shown]:
    """Without the `end` that the gateway adds to a stream in which no last event was left to show."""
    return [event for event in events if event.id]


async def _said(door: Door) -> list[tuple[str, str]]:
    """Who said what in all of the caller's conversations."""
    talks = (await door.served.house.chats.slice(ANNA.owner, offset=0, limit=9)).chats
    return [(said[0], said[1]) for talk in talks for said in await door.served.house.said(talk.key)]


async def test_a_stream_continues_byte_equal_behind_every_event(door: Door, provider: ScriptedProvider) -> None:
    gates = [Gate() for _ in range(3)]
    provider.script("a", gates[0], "b", gates[1], "c", gates[2], "d")
    for gate in gates:
        gate.open()
    whole = await door.whole()
    assert len(whole) >= 3
    assert all(event.id for event in whole)
    for number, event in enumerate(whole, 1):
        # A door whose answers end with an `end` shows that again to whom it was shown.
        rest = whole[number:] or [event] * (event.kind == "end")
        assert own(await door.whole(event.id)) == rest
    run = whole[0].id.partition(":")[0]
    assert await door.whole(run) == whole
    assert await _said(door) == [("user", "Hi"), ("assistant", "abcd")]
    assert len(provider.requests) == 1


async def test_a_cut_stream_continues_while_the_answer_grows(door: Door, provider: ScriptedProvider) -> None:
    gate, last = Gate(), Gate()
    provider.script("Hel", gate, "lo", last, "!")
    before = await door.cut("content")
    gate.open()
    between = await door.cut("content", before[-1].id)
    last.open()
    rest = await door.whole(between[-1].id)
    run = before[0].id.partition(":")[0]
    assert [*before, *between, *rest] == await door.whole(run)
    assert await _said(door) == [("user", "Hi"), ("assistant", "Hello!")]


async def test_a_cut_stream_continues_after_a_crash_with_another_start(tmp_path: Path, name: str, way: str) -> None:
    provider = ScriptedProvider()
    provider.script("Hel", Gate())
    async with serve(tmp_path, provider=provider) as served, _opened(served, name, way) as before:
        seen = await before.cut("content")
    again = ScriptedProvider()
    again.script("Good", " day")
    async with serve(tmp_path, provider=again) as served:
        after = Door(
            served, before.key, way, before.path, before.body, type(before.stub)(served.channel), before.request
        )
        rest = await after.whole(seen[-1].id)
        assert rest[0].kind == "start"
        assert rest[0].id.split(":")[1] == "2"
        assert await after.whole(rest[0].id) == rest[1:]
        assert await _said(after) == [("user", "Hi"), ("assistant", "Good day")]


async def test_a_stream_of_several_rounds_begins_once_and_continues_behind_every_event(
    door: Door, provider: ScriptedProvider
) -> None:
    provider.script("Let me look.", calls(("nowhere", {})))
    provider.script(calls(("nowhere", {}), ("nothing", {})))
    provider.script("Nothing", " there.")
    whole = await door.whole()
    kinds = [event.kind for event in whole]
    assert kinds.count("start") == 1
    assert (kinds[0], kinds[1], kinds[-2]) == ("start", "content", "content")
    assert kinds[-1] in ("message", "end")
    assert b"Let me look." in whole[1].wire
    for number, event in enumerate(whole, 1):
        rest = whole[number:] or [event] * (event.kind == "end")
        assert own(await door.whole(event.id)) == rest
    assert len(provider.requests) == 3


async def test_a_crash_in_a_later_round_tells_again_what_counts(tmp_path: Path, name: str, way: str) -> None:
    provider = ScriptedProvider()
    provider.script("Let me look.", calls(("nowhere", {})))
    provider.script("So th", Gate())
    async with serve(tmp_path, provider=provider) as served, _opened(served, name, way) as before:
        seen = await before.cut("content")
        seen += await before.cut("content", seen[-1].id)
        assert [event.kind for event in seen] == ["start", "content", "content"]
    again = ScriptedProvider()
    again.script("Nothing there.")
    async with serve(tmp_path, provider=again) as served:
        after = Door(
            served, before.key, way, before.path, before.body, type(before.stub)(served.channel), before.request
        )
        rest = await after.whole(seen[-1].id)
        start, told, new, *_ = rest
        assert [event.kind for event in (start, told, new)] == ["start", "content", "content"]
        assert b"Let me look." in told.wire
        assert b"Nothing there." in new.wire
        # Who has seen that the answer begins again, and nothing of it, is told all of it.
        assert own(await after.whole(start.id)) == rest
        assert own(await after.whole(told.id)) == rest[2:]


async def test_what_warns_of_a_cut_has_an_id_to_continue_with(door: Door, provider: ScriptedProvider) -> None:
    gate = Gate()
    provider.script("Hel", gate, "lo")
    before = await door.cut("content")
    door.served.house.streams.drain()
    (warning,) = await door.cut("draining", before[-1].id)
    gate.open()
    rest = [event for event in await door.whole(warning.id) if event.kind != "draining"]
    run = before[0].id.partition(":")[0]
    assert [*before, *rest] == [event for event in await door.whole(run) if event.kind != "draining"]


async def test_an_event_of_the_future_is_none(door: Door) -> None:
    run = (await door.whole())[0].id.partition(":")[0]
    with pytest.raises((grpc.aio.AioRpcError, httpx.HTTPStatusError)) as caught:
        await door.whole(f"{run}:1:999")
    error = caught.value
    if isinstance(error, grpc.aio.AioRpcError):
        assert error.code() is grpc.StatusCode.OUT_OF_RANGE
    else:
        assert isinstance(error, httpx.HTTPStatusError)
        assert error.response.status_code == 400
    assert len(await _said(door)) == 2
