"""CPU that a token of a model's answer costs: from the socket to a piece, one read of the socket a token.

Beside the provider as it is: what one writes with httpx at first (`aiter_lines` and `json.loads`), and the floor, an
asyncio protocol that only counts bytes.
"""

import asyncio
import json
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from functools import partial
from multiprocessing.connection import Connection

import httpx
import uvloop

from server.adapters.provider.http_client import http_client
from server.adapters.provider.openai_compatible import OpenAICompatibleProvider
from server.adapters.provider.provider_config import ProviderConfig
from server.adapters.system import SystemClock
from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.message import Role
from server.ports.provider import CompletionRequest, TextPiece
from tests.bench.figures import Figure, Report
from tests.support.upstream import Pause, ScriptedUpstream, answer

TOKENS = 2000
ROUNDS = 4
_TOKEN = " token"
_SPACING = 0.0003  # seconds between two tokens, so that each comes in a read of its own

Reading = Callable[[], Awaitable[int]]
"""Reads one whole answer and returns how many tokens it had."""


def run() -> Report:
    """Measure every way, the provider's own first."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(sending,), daemon=True)
    server.start()
    try:
        figures = uvloop.run(_compare(receiving.recv()))
        return Report("A token of a model's answer: CPU from the socket to a piece, over that of the provider", figures)
    finally:
        server.terminate()
        server.join()


async def _compare(base_url: str) -> list[Figure]:
    config = ProviderConfig(name="bench", base_url=base_url)
    async with (
        http_client(config) as client,
        httpx.AsyncClient(trust_env=False) as plain,
    ):
        ways: dict[str, Reading] = {
            "provider": partial(_through_provider, config, client),
            "httpx, aiter_lines and json": partial(_through_lines, plain, f"{base_url}/chat/completions"),
            "bare asyncio protocol": partial(_through_counter, base_url),
        }
        # In turns, so that a change of the machine's pace meets all of them.
        rounds = [{name: await _microseconds(read) for name, read in ways.items()} for _ in range(ROUNDS)]
    best = {name: min(costs[name] for costs in rounds) for name in ways}
    return [Figure(name, cost / best["provider"], None, f"{cost:.1f} us a token") for name, cost in best.items()]


async def _microseconds(read: Reading) -> float:
    started = time.process_time()
    tokens = await read()
    spent = time.process_time() - started
    assert tokens == TOKENS, tokens
    return spent / TOKENS * 1e6


async def _through_provider(config: ProviderConfig, client: httpx.AsyncClient) -> int:
    provider = OpenAICompatibleProvider(config, clock=SystemClock(), client=client)
    request = CompletionRequest((PromptMessage(Role.USER, "hi"),), GenerationConfig(model="m"))
    pieces = [piece async for piece in provider.stream(request)]
    return sum(len(piece.text) for piece in pieces if isinstance(piece, TextPiece)) // len(_TOKEN)


async def _through_lines(client: httpx.AsyncClient, url: str) -> int:
    tokens = 0
    async with client.stream("POST", url, json={"stream": True}) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                choices = json.loads(line[6:])["choices"]
                tokens += bool(choices and choices[0]["delta"].get("content"))
    return tokens


async def _through_counter(base_url: str) -> int:
    loop = asyncio.get_running_loop()
    url = httpx.URL(base_url)
    counter = _Counter(loop.create_future())
    transport, _ = await loop.create_connection(lambda: counter, url.host, url.port or 80)
    transport.write(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
    await counter.done
    transport.close()
    return counter.tokens


class _Counter(asyncio.Protocol):
    def __init__(self, done: asyncio.Future[None]) -> None:
        self.tokens = 0
        self.done = done

    def data_received(self, data: bytes) -> None:
        self.tokens += data.count(_TOKEN.encode())
        if data.endswith(b"0\r\n\r\n"):
            self.done.set_result(None)


def _serve(ready: Connection) -> None:
    async def serve() -> None:
        parts = (part for _ in range(TOKENS) for part in (_TOKEN, Pause(_SPACING)))
        async with ScriptedUpstream(default=answer(*parts)) as upstream:
            ready.send(upstream.base_url)
            await asyncio.Event().wait()

    asyncio.run(serve())
