"""Two server processes on one PostgreSQL, and two who say something to the same call at the same moment: one counts.

    RACES=SEED pytest -m '' tests/faults/test_tool_races.py

plays another seed than the usual one.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
import pytest

from tests.faults.client import Seen
from tests.faults.databases import PostgresDatabase
from tests.faults.play import data
from tests.faults.workshop import Workshop, workshop
from tests.support.nursery import Nursery

pytestmark = pytest.mark.timeout(900)

_SEED: Final = int(os.environ.get("RACES", "1"))
_THREADS: Final = 5
_AT_ONCE: Final = 32
# Many calls wait for their turn here, and nobody is to lose a lease over it.
_PATIENT: Final = {"PARLEY_LEASE_SECONDS": "30", "PARLEY_LEASE_HEARTBEAT_SECONDS": "0.5"}


_APPROVAL_SECONDS: Final = 5


@pytest.fixture
def settings() -> dict[str, str]:
    """Variables of both processes."""
    return _PATIENT


@pytest.fixture
async def shop(
    tmp_path: Path, postgres: PostgresDatabase, nursery: Nursery, settings: dict[str, str]
) -> AsyncIterator[Workshop]:
    """Two processes."""
    async with workshop(
        folder=tmp_path,
        database=postgres,
        nursery=nursery,
        nodes=("here", "there"),
        tool_server={"policy": '"APPROVAL"', "max_parallel": "32"},
        settings=settings,
    ) as opened:
        opened.mcp.tool("pay")
        yield opened


async def _at_once(shop: Workshop, races: list[Any]) -> list[tuple[httpx.Response, httpx.Response]]:
    """Pairs of calls, a few pairs at a time, in the order of the seed."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def race(pair: Any) -> tuple[httpx.Response, httpx.Response]:
        async with places:
            first, second = await asyncio.gather(*(call() for call in pair))
            return first, second

    return await asyncio.gather(*(race(pair) for pair in races))


def _winner(pair: tuple[httpx.Response, httpx.Response], reason: str) -> int:
    """Which of two calls counted; the other one was told so."""
    ((winner, _),) = [(place, reply) for place, reply in enumerate(pair) if reply.status_code == 200]
    loser = pair[1 - winner]
    assert loser.status_code == 409, loser.text
    assert loser.json()["error"]["details"][0]["reason"] == reason
    return winner


@pytest.mark.parametrize("calls", [10, pytest.param(100, marks=pytest.mark.faults)])
@pytest.mark.parametrize("opposed", [False, True], ids=["two-approvals", "approval-and-denial"])
async def test_of_two_decisions_one_counts_and_a_call_is_made_once_or_not_at_all(
    shop: Workshop, calls: int, opposed: bool
) -> None:
    """Half of the thousand races of all cases each: five threads with a hundred calls."""
    random = Random(_SEED)
    here, there = shop.servers.nodes
    keys = [f"talk-{number}" for number in range(_THREADS)]
    runs = {}
    for key in keys:
        await shop.thread(key)
        runs[key] = await shop.send(key, f"call pay*{calls}")
    waiting = [(key, each["toolCallId"]) for key in keys for each in await shop.pending(key, calls)]
    random.shuffle(waiting)
    sides = [random.random() < 0.5 for _ in waiting]

    def one(key: str, call_id: str, node: Any, approved: bool) -> Any:
        return lambda: shop.decide(key, call_id, approved=approved, node=node)

    races = [
        (one(key, call, here, side or not opposed), one(key, call, there, not side or not opposed))
        for (key, call), side in zip(waiting, sides, strict=True)
    ]
    outcomes = await _at_once(shop, races)
    permitted = set()
    for (_, call), side, pair in zip(waiting, sides, outcomes, strict=True):
        won = _winner(pair, "TOOL_CALL_DECIDED")
        if not opposed or (won == 0) is side:
            permitted.add(call)
    ended = {}
    for key in keys:
        story = await shop.story(runs[key])
        assert data(story[-1])["runEnded"]["status"] == "COMPLETED"
        ends = [data(seen)["toolCallEnded"] for seen in story if seen.name == "tool_call_ended"]
        ended.update({end["toolCallId"]: end["state"] for end in ends})
    assert ended == {call: "SUCCEEDED" if call in permitted else "DENIED" for _, call in waiting}
    assert Counter(call.key for call in shop.mcp.calls()) == dict.fromkeys(permitted, 1)


@pytest.mark.parametrize("calls", [10, pytest.param(100, marks=pytest.mark.faults)])
async def test_of_two_results_of_the_client_one_counts(shop: Workshop, calls: int) -> None:
    random = Random(_SEED)
    here, there = shop.servers.nodes
    await shop.thread("talk")
    run = await shop.send("talk", f"call locate*{calls}")
    asked = [
        _requested(seen) for seen in await shop.story(run, until="run_paused") if seen.name == "tool_call_requested"
    ]
    shuffled = random.sample(asked, len(asked))

    def one(call_id: str, text: str, node: Any) -> Any:
        return lambda: shop.answer("talk", call_id, text, node=node)

    races = [(one(call, f"{call} here", here), one(call, f"{call} there", there)) for call in shuffled]
    outcomes = await _at_once(shop, races)
    texts = {
        call: f"{call} {('here', 'there')[_winner(pair, 'TOOL_CALL_ENDED')]}"
        for call, pair in zip(shuffled, outcomes, strict=True)
    }
    story = await shop.story(run)
    assert data(story[-1])["runEnded"]["status"] == "COMPLETED"
    assert sorted(await shop.results("talk")) == sorted(texts.values())


@pytest.mark.parametrize("settings", [{**_PATIENT, "PARLEY_APPROVAL_SECONDS": str(_APPROVAL_SECONDS)}], ids=[""])
@pytest.mark.parametrize("calls", [10, pytest.param(100, marks=pytest.mark.faults)])
async def test_what_is_permitted_as_its_time_runs_out_is_made_or_lapses_on_both_processes_alike(
    shop: Workshop, calls: int
) -> None:
    random = Random(_SEED)
    await shop.thread("talk")
    run = await shop.send("talk", f"call pay*{calls}")
    waiting = await shop.pending("talk", calls)
    until = min(datetime.fromisoformat(each["expiresAt"]).timestamp() for each in waiting)
    permitted: set[str] = set()
    lapsed: set[str] = set()

    async def permit(call_id: str) -> None:
        await asyncio.sleep(until - time.time() + random.uniform(-1, 0.5))
        reply = await shop.decide("talk", call_id, node=random.choice(shop.servers.nodes))
        assert reply.status_code in (200, 409), reply.text
        (permitted if reply.status_code == 200 else lapsed).add(call_id)

    await asyncio.gather(*(permit(each["toolCallId"]) for each in waiting))
    story = await shop.story(run)
    assert data(story[-1])["runEnded"]["status"] == "COMPLETED"
    ends = [data(seen)["toolCallEnded"] for seen in story if seen.name == "tool_call_ended"]
    requests = Counter(_requested(seen) for seen in story if seen.name == "tool_call_requested")
    # What was permitted in time, but not made before the request lapsed, is asked for again.
    made = {call for call in permitted if requests[call] == 1}
    assert lapsed <= {call for call in requests if requests[call] == 1}
    assert {end["toolCallId"]: end["state"] for end in ends} == {
        call: "SUCCEEDED" if call in made else "EXPIRED" for call in requests
    }
    assert Counter(call.key for call in shop.mcp.calls()) == dict.fromkeys(made, 1)


def _requested(seen: Seen) -> str:
    return str(data(seen)["toolCallRequested"]["toolCallId"])
