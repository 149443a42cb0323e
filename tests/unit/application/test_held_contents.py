"""Requests of a process hold no more bytes of files together than they may, and get their turn in order."""

import asyncio

import pytest

from server.application.held_contents import HeldContents, Holding

_PATIENCE = 5


def _begun(holding: Holding, count: int) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(holding.take(count))


async def _is_waiting(task: asyncio.Task[None]) -> bool:
    for _ in range(5):
        await asyncio.sleep(0)
    return not task.done()


async def test_what_does_not_fit_waits_for_its_turn_and_so_does_what_comes_behind_it() -> None:
    contents = HeldContents(10)
    first, large, small = contents.holding(), contents.holding(), contents.holding()
    await first.take(8)
    waiting, behind = _begun(large, 5), _begun(small, 1)
    assert await _is_waiting(waiting)
    assert await _is_waiting(behind)
    first.release()
    await asyncio.wait_for(asyncio.gather(waiting, behind), _PATIENCE)
    blocked = _begun(first, 5)
    assert await _is_waiting(blocked)
    small.release()
    await asyncio.wait_for(blocked, _PATIENCE)


async def test_who_takes_again_gives_back_first_and_nothing_is_given_back_twice() -> None:
    contents = HeldContents(10)
    holding, other = contents.holding(), contents.holding()
    for _ in range(3):
        await asyncio.wait_for(holding.take(10), _PATIENCE)
    holding.release()
    holding.release()
    await asyncio.wait_for(holding.take(6), _PATIENCE)
    waiting = _begun(other, 5)
    assert await _is_waiting(waiting)
    await holding.take(0)
    await asyncio.wait_for(waiting, _PATIENCE)


async def test_who_gives_up_waiting_holds_nothing_and_stops_nobody() -> None:
    contents = HeldContents(10)
    holding, gone, next_one = contents.holding(), contents.holding(), contents.holding()
    await holding.take(10)
    waiting, behind = _begun(gone, 5), _begun(next_one, 10)
    assert await _is_waiting(waiting)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gone.release()
    assert await _is_waiting(behind)
    holding.release()
    await asyncio.wait_for(behind, _PATIENCE)


async def test_more_than_there_is_in_all_goes_alone() -> None:
    contents = HeldContents(10)
    await asyncio.wait_for(contents.holding().take(11), _PATIENCE)
