"""What the service adds to a model's first token: from the call of `send` until a stream shows the first `TextDelta`,
less the time that the model took by itself.

On the embedded store with FULL sync, through use cases and engine, without a transport. The model speaks as fast as a
good one does, so that at 32 runs the deltas of 31 others are stored meanwhile.
"""

import asyncio
import logging
import statistics
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

SENDS = {1: 60, 32: 12}
"""By the number of conversations, which have one run each at a time: how many messages each of them sends. The first
does not count."""
TOKENS = 12
TOKEN_SECONDS = 1 / 30
"""Between two tokens and before the first, on average: half of that to half as much again, so that runs do not march
in step."""
BAR_MILLISECONDS = 15.0
"""At the median of a single run."""


class Added(NamedTuple):
    """Milliseconds that the service added."""

    median: float
    p95: float


class SteadyModel(ScriptedProvider):
    """Says a token at a time, and notes for every message that it answers how long it took to the first."""

    def __init__(self) -> None:
        super().__init__()
        self.own_seconds: dict[str, float] = {}
        self._random = Random(0)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """An answer of `TOKENS` tokens."""
        asked = time.perf_counter()
        for number in range(TOKENS):
            await asyncio.sleep(TOKEN_SECONDS * self._random.uniform(0.5, 1.5))
            self.own_seconds.setdefault(request.messages[-1].content, time.perf_counter() - asked)
            yield TextPiece(f"token {number} ")


def run() -> Report:
    """Measure one run at a time, then many."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    added = {runs: uvloop.run(_measure(runs)) for runs in SENDS}
    return Report(
        "Milliseconds from send to the first token in a stream, over the model's own",
        [_figure(runs, name, milliseconds) for runs in SENDS for name, milliseconds in added[runs]._asdict().items()],
        [f"the ratio is of {BAR_MILLISECONDS:g} ms to what was added; every answer has {TOKENS} tokens, 30 a second"],
    )


def _figure(runs: int, name: str, milliseconds: float) -> Figure:
    bar = 1.0 if (runs, name) == (1, "median") else None
    runs_named = f"{runs} concurrent run{'s' if runs > 1 else ''}, {name}"
    return Figure(runs_named, BAR_MILLISECONDS / milliseconds, bar, f"{milliseconds:.1f} ms added")


async def _measure(runs: int) -> Added:
    model = SteadyModel()
    with tempfile.TemporaryDirectory() as folder:
        async with open_house(Path(folder), model, limits=Limits()) as house:
            rounds = await asyncio.gather(*(_converse(house, model, f"talk {n}", SENDS[runs]) for n in range(runs)))
    measured = [seconds * 1000 for seconds_of_one in rounds for seconds in seconds_of_one[1:]]
    return Added(statistics.median(measured), statistics.quantiles(measured, n=20)[-1])


async def _converse(house: House, model: SteadyModel, key: str, sends: int) -> list[float]:
    """One message after the other in one conversation; returns the seconds that were added to each."""
    await house.threads.create(ANNA, name="", key=key)
    added = []
    for number in range(sends):
        message = f"{key}, message {number}"
        seen = await _first_token_seconds(house, key, message)
        added.append(seen - model.own_seconds[message])
    return added


async def _first_token_seconds(house: House, key: str, message: str) -> float:
    """Send, follow the run to its end, and tell how long the first token took."""
    began = time.perf_counter()
    seen: float | None = None
    run = await house.send(message, to=key)
    async with aclosing(house.streams.run(run.owner, run.id, after=0)) as events:
        async for event in events:
            if seen is None and isinstance(event, Event) and isinstance(event.payload, TextDelta):
                seen = time.perf_counter() - began
    assert seen is not None, "a run that said nothing"
    return seen
