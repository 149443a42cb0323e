"""How many answers one process can hold at once without a transport, and the CPU of a token: engine and store alone.

Through use cases and engine on the embedded store with FULL sync, one viewer each: every token from the moment the
model says it until the viewer has it. `live_streams` and `token_cost` measure the whole service on sockets.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from random import Random
from typing import NamedTuple

import structlog
import uvloop

from server.domain.events import Event, TextDelta
from server.domain.limits import Limits
from server.ports.provider import CompletionRequest, Piece, TextPiece
from tests.bench.figures import Figure, Report
from tests.support.house import ANNA, House, open_house
from tests.support.scripted_provider import ScriptedProvider

ANSWERS = (10, 25, 50, 100, 200, 400)
TOKENS_PER_SECOND = 30
SECONDS = 3
BAR_MILLISECONDS = 100.0


class Load(NamedTuple):
    """So many answers at once."""

    answers: int
    p99_milliseconds: float
    """What was added to a token on its way from the model to the viewer; one in a hundred waited longer."""
    cpu_microseconds: float
    """Of the whole process, each token."""


class PunctualModel(ScriptedProvider):
    """Says tokens at their pace, each with the moment at which it was said."""

    def __init__(self) -> None:
        super().__init__()
        self._random = Random(0)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """An answer of `SECONDS`."""
        del request
        # Answers do not march in step.
        due = time.perf_counter() + self._random.random() / TOKENS_PER_SECOND
        for _ in range(TOKENS_PER_SECOND * SECONDS):
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            yield TextPiece(f"{time.perf_counter():.6f} ")
            due += 1 / TOKENS_PER_SECOND


def run() -> Report:
    """Measure ever more of them."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    loads: list[Load] = []
    for answers in ANSWERS:
        loads.append(uvloop.run(_load(answers)))
        if loads[-1].p99_milliseconds > BAR_MILLISECONDS:
            break
    held = max((load.answers for load in loads if load.p99_milliseconds <= BAR_MILLISECONDS), default=0)
    figures = [
        Figure(
            f"{load.answers} answers at once: {BAR_MILLISECONDS:g} ms over the delay added at p99",
            BAR_MILLISECONDS / load.p99_milliseconds,
            None,
            f"{load.p99_milliseconds:.1f} ms, {load.cpu_microseconds:.0f} us CPU a token",
        )
        for load in loads
    ]
    return Report(
        "Answers of 30 tokens a second, without a transport",
        figures,
        [
            f"{held} answers of {TOKENS_PER_SECOND} tokens a second are held before the added delay passes "
            f"{BAR_MILLISECONDS:g} ms; of that, up to {Limits().delta_interval.total_seconds() * 1000:g} ms are the "
            "waiting for a batch",
        ],
    )


async def _load(answers: int) -> Load:
    delays: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        async with open_house(Path(name), PunctualModel(), limits=Limits()) as house:
            for number in range(answers):
                await house.threads.create(ANNA, name="", key=f"talk-{number}")
            cpu = time.process_time()
            await asyncio.gather(*(_follow(house, f"talk-{number}", delays) for number in range(answers)))
            used = time.process_time() - cpu
    delays.sort()
    return Load(answers, delays[len(delays) * 99 // 100] * 1e3, used / len(delays) * 1e6)


async def _follow(house: House, key: str, delays: list[float]) -> None:
    run = await house.send("hi", to=key)
    rest = ""
    async with aclosing(house.streams.run(run.owner, run.id, after=0)) as events:
        async for event in events:
            if isinstance(event, Event) and isinstance(event.payload, TextDelta):
                now = time.perf_counter()
                *whole, rest = (rest + event.payload.text).split(" ")
                delays += [now - float(said) for said in whole]
