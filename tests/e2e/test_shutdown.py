"""SIGTERM with a hundred streams open: everybody is told where to go on, and what runs is finished."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # ships no stubs
from grpc_status import rpc_status  # type: ignore[import-untyped]  # ships no stubs
from parley.v1.run_pb2 import WatchThreadRequest
from parley.v1.run_pb2_grpc import RunServiceStub

from tests.e2e.service import Service, running
from tests.support.upstream import Gate, ScriptedUpstream, answer

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_GATEWAY = "/api/v1/llm/gateway"
_OF_EACH_KIND = 50


@dataclass
class View:
    """What one stream showed: sequences of the log, the warning among them, and how it ended."""

    seen: list[int] = field(default_factory=list)
    warned_at: list[int] = field(default_factory=list)
    cursor: int = -1
    reason: str = ""

    def warn(self, cursor: int) -> None:
        self.warned_at.append(self.seen[-1] if self.seen else 0)
        self.cursor = cursor


async def lines(reply: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in reply.aiter_lines():
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            yield name, json.loads(line.removeprefix("data:"))


async def view_over_http(client: httpx.AsyncClient, route: str, body: dict[str, str], view: View) -> None:
    async with client.stream("POST", f"{_GATEWAY}/{route}", json=body) as reply:
        assert reply.status_code == 200
        async for name, data in lines(reply):
            match name:
                case "draining":
                    view.warn(int(data["draining"]["afterSequence"]))
                case "error":
                    view.reason = f"{data['error']['status']} {data['error']['details'][0]['reason']}"
                case "heartbeat":
                    pass
                case _:
                    view.seen.append(int(data["sequence"]))


async def view_over_grpc(stub: RunServiceStub, metadata: list[tuple[str, str]], view: View) -> None:
    call = stub.WatchThread(WatchThreadRequest(conversation_key="talk"), metadata=metadata)
    try:
        async for event in call:
            if event.HasField("draining"):
                view.warn(event.draining.after_sequence)
            elif event.sequence:
                view.seen.append(event.sequence)
    except grpc.aio.AioRpcError as error:
        info = error_details_pb2.ErrorInfo()
        rpc_status.from_call(error).details[0].Unpack(info)
        view.reason = f"{error.code().name} {info.reason}"


async def until(fact: Callable[[], bool]) -> None:
    while not fact():  # noqa: ASYNC110 - another process is waited for
        await asyncio.sleep(0.01)


def environment(upstream: ScriptedUpstream) -> dict[str, str]:
    # The grace is longer than the test may take: whatever ends, ends because nothing is left to do.
    return {"PARLEY_OPENAI_BASE_URL": upstream.base_url, "PARLEY_DEFAULT_MODEL": "m", "PARLEY_GRACE_SECONDS": "3600"}


def asynchronous(service: Service) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None)
    headers = {"X-API-Key": service.development_key}
    return httpx.AsyncClient(base_url=service.base, headers=headers, timeout=60, limits=limits, trust_env=False)


async def test_a_hundred_streams_are_told_where_to_go_on_while_the_answer_is_finished(data: Path) -> None:
    gate = Gate()
    watching = [View() for _ in range(2 * _OF_EACH_KIND)]
    following = View()
    async with ScriptedUpstream() as upstream:
        upstream.script(answer("one ", gate, "two"))
        with running(data, env=environment(upstream)) as service:
            async with (
                asynchronous(service) as client,
                grpc.aio.insecure_channel(service.grpc) as channel,
                asyncio.TaskGroup() as viewers,
            ):
                made = await client.post(f"{_GATEWAY}/create-thread", json={"name": "n", "conversation_key": "talk"})
                made.raise_for_status()
                body = {"conversation_key": "talk", "user_message": {"content": "hi"}}
                run = (await client.post(f"{_GATEWAY}/send-message", json=body)).raise_for_status().json()["runId"]
                stub, metadata = RunServiceStub(channel), [("x-api-key", service.development_key)]
                for view in watching[:_OF_EACH_KIND]:
                    talk = {"conversation_key": "talk"}
                    viewers.create_task(view_over_http(client, "watch-thread", talk, view))
                for view in watching[_OF_EACH_KIND:]:
                    viewers.create_task(view_over_grpc(stub, metadata, view))
                viewers.create_task(view_over_http(client, "stream-run", {"run_id": run}, following))
                await gate.reached()
                everybody = [*watching, following]
                await until(lambda: all(len(view.seen) == 3 for view in everybody))

                service.process.send_signal(signal.SIGTERM)
                await until(lambda: all(view.warned_at for view in everybody))
                assert (await client.get("/readyz")).status_code == 503
                refused = await client.post(f"{_GATEWAY}/send-message", json=body)
                assert refused.status_code == 503
                assert refused.json()["error"]["details"][0]["reason"] == "SHUTTING_DOWN"
                gate.open()
            assert await asyncio.to_thread(service.process.wait) == 0
            assert "Traceback" not in service.output
    for view in everybody:
        assert (view.warned_at, view.cursor) == ([3], 3)
        assert view.seen == list(range(1, len(view.seen) + 1))
        # The answer's last events were shown before the stream was cut.
        assert view.seen == following.seen
    assert {view.reason for view in watching} == {"UNAVAILABLE SHUTTING_DOWN"}
    assert following.reason == "", "a stream that ended with its run was not cut"


async def test_an_idle_server_ends_though_it_is_being_watched(data: Path) -> None:
    view = View()
    async with ScriptedUpstream() as upstream:
        with running(data, env=environment(upstream)) as service:
            async with asynchronous(service) as client, asyncio.TaskGroup() as viewers:
                made = await client.post(f"{_GATEWAY}/create-thread", json={"name": "n", "conversation_key": "talk"})
                made.raise_for_status()
                body = {"conversation_key": "talk"}
                viewers.create_task(view_over_http(client, "watch-thread", body, view))
                await client.get("/healthz")
                # A second stream that is served to its first byte: the first one is open, then.
                async with client.stream("POST", f"{_GATEWAY}/watch-thread", json=body) as reply:
                    assert reply.status_code == 200
                    service.process.send_signal(signal.SIGTERM)
                    assert [name async for name, _ in lines(reply)] == ["draining", "error"]
            assert await asyncio.to_thread(service.process.wait) == 0
    assert (view.warned_at, view.cursor, view.reason) == ([0], 0, "UNAVAILABLE SHUTTING_DOWN")
