"""Deleting a thread ends whatever goes on in it: the model's request, the runs that wait, every stream."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import pytest

from server.application.revisions import Edit
from server.application.runs import SendMessage
from server.domain.conversation import InterruptPolicy
from server.domain.errors import ConversationNotFound, NotFound, RunNotFound
from server.domain.run import Run, RunState
from server.ports.provider import TextPiece
from tests.support.house import ANNA, House
from tests.support.upstream.gate import Gate


def rows(folder: Path) -> dict[str, int]:
    """How many rows each table has that holds something of conversations."""
    with closing(sqlite3.connect(folder / "house.db")) as connection:
        tables = ("conversations", "messages", "branches", "runs", "run_events", "sessions", "requests", "files")
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


async def left(stream: AsyncGenerator[object, None]) -> type[Exception] | None:
    """What ends a stream."""
    try:
        async for _ in stream:
            pass
    except NotFound as error:
        return type(error)
    return None


async def viewers(house: House, *runs: Run) -> list["asyncio.Task[type[Exception] | None]"]:
    """Two watchers of the thread and two readers of each run, all of them past their first event where there is one."""
    streams = [house.streams.watch(ANNA.owner, "talk", after=0) for _ in range(2)]
    streams += [house.streams.run(ANNA.owner, run.id, after=0) for run in runs for _ in range(2)]
    for stream in streams:
        await anext(stream)
    return [asyncio.create_task(left(stream)) for stream in streams]


async def test_running_and_waiting_runs_end_with_their_thread_and_all_viewers_are_told(
    house: House, tmp_path: Path
) -> None:
    house.provider.script("Hello", Gate())
    running = await house.send("one", request_id="r-1")
    waiting = await house.send("two", request_id="r-2")
    await house.provider.requested()
    watching = await viewers(house, running, waiting)
    async with asyncio.timeout(10):
        await house.threads.delete(ANNA, "talk")
        ends = await asyncio.gather(*watching)
        await house.provider.idle()
    assert ends == [ConversationNotFound] * 2 + [RunNotFound] * 4
    assert (len(house.provider.requests), house.provider.streams_abandoned) == (1, 1)
    assert not any(rows(tmp_path).values())
    for run in (running, waiting):
        with pytest.raises(RunNotFound):
            await house.runs.get(ANNA.owner, run.id)


async def test_branches_go_with_their_thread(house: House, tmp_path: Path) -> None:
    house.provider.script(TextPiece("ONE"))
    house.provider.script("UNO", Gate())
    await house.ended(await house.send("one"))
    (asked, _) = (await house.threads.state(ANNA.owner, "talk")).messages
    edit = SendMessage("talk", "uno", revision=Edit(asked.id), interrupt_policy=InterruptPolicy.INTERRUPT)
    await house.runs.send(ANNA, edit)
    await house.provider.requested(2)
    assert rows(tmp_path)["branches"] == 2
    await house.threads.delete(ANNA, "talk")
    await house.provider.idle()
    assert not any(rows(tmp_path).values())


@pytest.mark.parametrize("state", [RunState.AWAITING_APPROVAL, RunState.AWAITING_CLIENT_TOOLS])
async def test_a_parked_run_ends_with_its_thread(house: House, tmp_path: Path, state: RunState) -> None:
    house.provider.script("Hello", Gate())
    run = await house.send("one")
    await house.provider.requested()
    with closing(sqlite3.connect(tmp_path / "house.db", timeout=10)) as connection, connection:
        parked = "UPDATE runs SET state = ?, lease_worker = NULL, lease_until = 0"
        connection.execute(parked, (state.value,))
    waiting = await house.send("two")
    assert waiting.state is RunState.QUEUED
    watching = await viewers(house, run, waiting)
    async with asyncio.timeout(10):
        await house.threads.delete(ANNA, "talk")
        ends = await asyncio.gather(*watching)
    assert None not in ends
    assert not any(rows(tmp_path).values())
