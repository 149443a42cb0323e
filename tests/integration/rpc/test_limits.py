"""Limits of callers, as clients of every kind meet them: over gRPC and through both forms of the gateway."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import httpx
import pytest
from parley.v1 import key_pb2, key_pb2_grpc, message_pb2, run_pb2, run_pb2_grpc, thread_pb2, thread_pb2_grpc

from server.domain.key import KeyStyle
from server.domain.rates import CallLimits
from tests.contract.api.refusal import Refusal, refusal
from tests.contract.api.serving import Served, serve
from tests.integration.rpc.manual_clock import ManualClock

LIST: Final = "/api/v1/llm/gateway/list-threads"
_STANDING: Final = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
DOORS: Final[dict[str, tuple[str, str, Any]]] = {
    "threads": ("POST", LIST, {}),
    "conversations": ("GET", "/api/org/list", None),
    "archive": ("POST", "/api/v3/conversation/find", {}),
    "chat": ("GET", "/chat/", None),
    "connect": ("POST", "/parley.v1.ThreadService/ListThreads", {}),
}
BODIES: Final[dict[str, Callable[[Any], Any]]] = {
    "threads": lambda body: (body["error"]["code"], body["error"]["status"]),
    "conversations": lambda body: (body["status"], body["error"]["code"]),
    "archive": list,
    "chat": sorted,
    "connect": lambda body: body["code"],
}
"""What tells the documented error body of a door."""


@dataclass
class Doors:
    """A service with a clock that stands still, and limits of three and two."""

    served: Served
    clock: ManualClock

    @property
    def gateways(self) -> dict[str, httpx.AsyncClient]:
        """HTTP on either upstream."""
        return {"in process": self.served.in_process, "channel": self.served.through_channel}

    async def key(self, **more: Any) -> dict[str, str]:
        """The header with a key of its own."""
        _, text = await self.served.key(**more)
        return {"x-api-key": text}


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    clock, limits = ManualClock(), CallLimits(per_key=3, per_user=2, failures_per_address=2, streams_per_caller=2)
    async with serve(tmp_path, clock=clock, limits=limits) as served:
        yield Doors(served, clock)


def standing(headers: Any) -> tuple[int, int, int]:
    """Limit, remaining and reset."""
    limit, remaining, reset = (int(headers[name]) for name in _STANDING)
    return limit, remaining, reset


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("upstream", ["in process", "channel"])
async def test_every_reply_over_http_says_where_the_key_stands_and_the_last_one_refuses(
    doors: Doors, upstream: str, door: str
) -> None:
    method, path, body = DOORS[door]
    client, headers = doors.gateways[upstream], await doors.key()
    for remaining in (2, 1, 0):
        reply = await client.request(method, path, json=body, headers=headers)
        assert reply.status_code == 200, reply.text
        assert standing(reply.headers) == (3, remaining, 61)
        doors.clock.move(0.25)
    doors.clock.move(9.25)
    refused = await client.request(method, path, json=body, headers=headers)
    assert (refused.status_code, standing(refused.headers)) == (429, (3, 0, 51)), refused.text
    assert refused.headers["retry-after"] == "51"
    assert refused.headers["x-request-id"]
    wanted = {
        "threads": (429, "RESOURCE_EXHAUSTED"),
        "conversations": ("error", "RATE_LIMITED"),
        "archive": ["detail"],
        "chat": ["error", "message"],
        "connect": "resource_exhausted",
    }
    assert BODIES[door](refused.json()) == wanted[door], refused.text
    doors.clock.move(51)
    assert (await client.request(method, path, json=body, headers=headers)).status_code == 200


@pytest.mark.parametrize("upstream", ["in process", "channel"])
async def test_errors_and_streams_say_it_as_well(doors: Doors, upstream: str) -> None:
    client, headers = doors.gateways[upstream], await doors.key(requests_per_minute=10)
    missing = await client.post("/api/v1/llm/gateway/get-thread", json={"conversation_key": "none"}, headers=headers)
    assert (missing.status_code, standing(missing.headers)) == (404, (10, 9, 61))
    invalid = await client.post(LIST, json={"page_size": -1}, headers=headers)
    assert (invalid.status_code, standing(invalid.headers)) == (400, (10, 8, 61))
    early = await client.post("/api/v1/llm/gateway/stream-run", json={"run_id": "none"}, headers=headers)
    assert (early.status_code, standing(early.headers)) == (404, (10, 7, 61))
    raw = await client.post("/api/v1/storage/gateway/download-file", json={"file_id": "none"}, headers=headers)
    assert (raw.status_code, standing(raw.headers)) == (404, (10, 6, 61)), raw.text
    await client.post("/api/v1/llm/gateway/create-thread", json={"conversation_key": "k"}, headers=headers)
    body = {"conversation_key": "k", "user_message": {"role": "user", "content": "hello"}}
    answer = await client.post("/api/v1/llm/gateway/generate", json=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    assert standing(answer.headers)[0] == 10
    forbidden = await client.post(LIST, json={}, headers=await doors.key(scopes=["files:read"]))
    assert (forbidden.status_code, standing(forbidden.headers)) == (403, (3, 2, 61))


async def test_grpc_metadata_says_it_and_the_refusal_has_its_details(doors: Doors) -> None:
    stub, metadata = thread_pb2_grpc.ThreadServiceStub(doors.served.channel), tuple((await doors.key()).items())
    for remaining in (2, 1, 0):
        call = stub.ListThreads(thread_pb2.ListThreadsRequest(), metadata=metadata)
        await call
        assert standing(dict(await call.initial_metadata())) == (3, remaining, 61)
    doors.clock.move(0.25)
    call = stub.ListThreads(thread_pb2.ListThreadsRequest(), metadata=metadata)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    found = refusal(caught.value)
    assert (found.code, found.reason, found.retry_seconds) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED", 60.75)
    assert found.metadata == {"limit": "key", "most": "3"}
    assert standing(dict(await call.initial_metadata())) == (3, 0, 61)
    stream = run_pb2_grpc.RunServiceStub(doors.served.channel).StreamRun(
        run_pb2.StreamRunRequest(run_id="r"), metadata=metadata
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(aiter(stream))
    assert refusal(caught.value).reason == "RATE_LIMITED"
    assert standing(dict(await stream.initial_metadata())) == (3, 0, 61)
    assert doors.served.metrics.render().count(b'parley_limited_calls_total{limit="key"} 2.0') == 1
    doors.clock.move(60.75)
    await stub.ListThreads(thread_pb2.ListThreadsRequest(), metadata=metadata)


async def test_persons_count_by_user_and_who_acts_for_another_as_who_it_is(doors: Doors) -> None:
    token = doors.served.issuer.token
    client = doors.served.in_process

    async def asked(**headers: str) -> int:
        return (await client.post(LIST, json={}, headers=headers)).status_code

    for _ in range(2):  # two tokens of one person
        assert await asked(authorization=f"Bearer {token('carl', 'acme')}") == 200
    assert await asked(authorization=f"Bearer {token('carl', 'acme')}") == 429
    assert await asked(authorization=f"Bearer {token('dora', 'acme')}") == 200
    service = await doors.key(user="robot")
    for subject in ("erna", "fred", "gina"):
        reply = await client.post(LIST, json={}, headers={**service, "x-on-behalf-of": subject})
        assert reply.status_code == 200, reply.text
    assert (await client.post(LIST, json={}, headers={**service, "x-on-behalf-of": "hugo"})).status_code == 429
    assert await asked(authorization=f"Bearer {token('erna', 'acme')}") == 200
    # Nor does a call that may not act for another go uncounted.
    plain = await doors.key(user="iris", scopes=["conversations:read"])
    codes = [(await client.post(LIST, json={}, headers={**plain, "x-on-behalf-of": "x"})).status_code for _ in "1234"]
    assert codes == [403, 403, 403, 429]


async def test_a_publishable_key_is_bounded_by_its_own_limit_only(doors: Doors) -> None:
    shared = await doors.key(style=KeyStyle.PUBLISHABLE, requests_per_minute=3)
    client, token = doors.served.in_process, doors.served.issuer.token
    codes = []
    for user in ("kim", "kim", "kim", "lea", "mia"):
        headers = {**shared, "authorization": f"Bearer {token(user, 'acme')}"}
        codes.append((await client.post(LIST, json={}, headers=headers)).status_code)
    assert codes == [200, 200, 429, 200, 429]


async def test_a_change_of_a_keys_limit_counts_within_a_second(doors: Doors) -> None:
    stored, text = await doors.served.key(requests_per_minute=5, scopes=["conversations:read"])
    owner = (("authorization", f"Bearer {doors.served.issuer.token('anna', 'acme')}"),)
    keys = key_pb2_grpc.KeyServiceStub(doors.served.channel)

    async def limit() -> int:
        reply = await doors.served.in_process.post(LIST, json={}, headers={"x-api-key": text})
        return standing(reply.headers)[0]

    assert await limit() == 5
    for wanted, told in ((7, 7), (0, 3)):
        request = key_pb2.UpdateKeyRequest(
            key_id=stored.id, rate_limit=key_pb2.KeyRateLimit(requests_per_minute=wanted)
        )
        await keys.UpdateKey(request, metadata=owner)
        doors.clock.move(1)
        assert await limit() == told


@pytest.mark.parametrize("wanted", [-1, 1_000_001, 2**31 - 1])
async def test_a_limit_that_is_none_is_refused(doors: Doors, wanted: int) -> None:
    owner = (("authorization", f"Bearer {doors.served.issuer.token('anna', 'acme')}"),)
    request = key_pb2.CreateKeyRequest(
        name="n", permissions=["files:read"], rate_limit=key_pb2.KeyRateLimit(requests_per_minute=wanted)
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await key_pb2_grpc.KeyServiceStub(doors.served.channel).CreateKey(request, metadata=owner)
    assert refusal(caught.value).fields == ("rate_limit.requests_per_minute",)


@pytest.mark.parametrize("upstream", ["in process", "channel"])
async def test_wrong_credentials_are_looked_at_so_often_and_valid_ones_that_are_known_still_are(
    doors: Doors, upstream: str
) -> None:
    client, known, unknown = doors.gateways[upstream], await doors.key(), await doors.key(user="new")
    assert (await client.post(LIST, json={}, headers=known)).status_code == 200
    wrong = {"x-api-key": known["x-api-key"][:-1] + "x", "x-forwarded-for": "198.51.100.1"}
    for remaining in (1, 0):
        # Nobody trusts the caller's word on whom it calls for: the address is its own.
        reply = await client.post(LIST, json={}, headers={**wrong, "x-forwarded-for": f"198.51.100.{remaining}"})
        assert (reply.status_code, standing(reply.headers)) == (401, (2, remaining, 61)), reply.text
    for headers in (wrong, unknown):
        refused = await client.post(LIST, json={}, headers=headers)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "61")
        assert refused.json()["error"]["details"][0]["reason"] == "AUTHENTICATION_FAILS_TOO_OFTEN"
    assert (await client.post(LIST, json={}, headers=known)).status_code == 200
    assert (await client.post(LIST, json={})).status_code == 401
    assert b'parley_limited_calls_total{limit="address"} 2.0' in doors.served.metrics.render()
    doors.clock.move(61)
    assert (await client.post(LIST, json={}, headers=unknown)).status_code == 200


async def _told(call: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(aiter(call))
    return refusal(caught.value)


async def _eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Polled: a server tells nobody when it has noticed that a client has gone."""
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_stream_that_ends_in_any_way_gives_its_place_back(doors: Doors) -> None:
    streams = doors.served.pipeline._door._streams
    metadata = tuple((await doors.key(requests_per_minute=1000)).items())
    threads = thread_pb2_grpc.ThreadServiceStub(doors.served.channel)
    await threads.CreateThread(thread_pb2.CreateThreadRequest(conversation_key="k"), metadata=metadata)
    runs = run_pb2_grpc.RunServiceStub(doors.served.channel)
    watch = run_pb2.WatchThreadRequest(conversation_key="k")

    async def none_open() -> bool:
        return len(streams) == 0

    async def opened(count: int, **more: Any) -> list[Any]:
        calls = [runs.WatchThread(watch, metadata=metadata, **more) for _ in range(count)]
        for call in calls:
            await call.initial_metadata()
        return calls

    calls = await opened(2)
    found = await _told(runs.WatchThread(watch, metadata=metadata))
    assert (found.code, found.reason, found.metadata["most"]) == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS", "2")
    assert found.retry_seconds == 1
    for call in calls:
        call.cancel()
    await _eventually(none_open)

    for call in await opened(2, timeout=2):  # the deadline passes
        with pytest.raises(grpc.aio.AioRpcError):
            async for _ in call:
                pass
    await _eventually(none_open)

    for _ in range(3):  # an error, and a stream to its end
        assert (await _told(runs.WatchThread(run_pb2.WatchThreadRequest(conversation_key="x"), metadata=metadata))).code
        message = run_pb2.UserMessage(role=message_pb2.ROLE_USER, content="hello")
        generated = runs.Generate(
            run_pb2.SendMessageRequest(conversation_key="k", user_message=message), metadata=metadata
        )
        assert [event async for event in generated]
    assert len(streams) == 0

    await opened(2)  # the client's connection goes
    async with grpc.aio.insecure_channel(doors.served.address) as other:
        call = run_pb2_grpc.RunServiceStub(other).WatchThread(watch, metadata=metadata)
        assert (await _told(call)).reason == "TOO_MANY_STREAMS"
    doors.served.house.streams.stop()  # the service stops
    await _eventually(none_open)


@pytest.mark.parametrize("upstream", ["in process", "channel"])
async def test_viewers_over_http_who_leave_give_their_places_back(doors: Doors, upstream: str) -> None:
    streams, client = doors.served.pipeline._door._streams, doors.gateways[upstream]
    headers = await doors.key(requests_per_minute=1000)
    await client.post("/api/v1/llm/gateway/create-thread", json={"conversation_key": "k"}, headers=headers)

    async def opened() -> AsyncGenerator[int, None]:
        watched = client.stream(
            "POST", "/api/v1/llm/gateway/watch-thread", json={"conversation_key": "k"}, headers=headers
        )
        async with watched as reply:
            yield reply.status_code

    async def none_open() -> bool:
        return len(streams) == 0

    async with aclosing(opened()) as first, aclosing(opened()) as second, aclosing(opened()) as third:
        assert [await anext(each) for each in (first, second, third)] == [200, 200, 429]
    await _eventually(none_open)
