"""Tasks of an object: they end with it, whatever ends it, and what they raise is not lost."""

import asyncio
import inspect

import pytest

from server.tasks import OwnTasks


async def test_what_is_left_is_cancelled_and_waited_for() -> None:
    came: list[str] = []

    async def last() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            came.append("cleaned up")

    async with OwnTasks() as tasks:
        task = tasks.create_task(last(), name="last")
        await asyncio.sleep(0)
    assert task.cancelled()
    assert came == ["cleaned up"]


async def test_one_that_never_began_does_not_begin() -> None:
    began: list[str] = []

    async def begin() -> None:
        began.append("it")

    async with OwnTasks() as tasks:
        task = tasks.create_task(begin())
    assert task.cancelled()
    assert not began


async def test_what_ends_the_owners_block_passes_as_it_is() -> None:
    async def fail_beside_a_task() -> None:
        async with OwnTasks() as tasks:
            tasks.create_task(asyncio.Event().wait())
            raise KeyError("the owner's")

    with pytest.raises(KeyError, match="the owner's"):
        await fail_beside_a_task()


async def test_what_a_task_raises_is_raised_on_leaving_and_ends_the_others() -> None:
    async def fail() -> None:
        raise LookupError("a task's")

    tasks = OwnTasks()
    await tasks.__aenter__()
    other = tasks.create_task(asyncio.Event().wait())
    failing = tasks.create_task(fail())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait({other, failing}, return_when=asyncio.ALL_COMPLETED)
    with pytest.raises(ExceptionGroup) as raised:
        await tasks.__aexit__(None, None, None)
    assert [str(error) for error in raised.value.exceptions] == ["a task's"]
    assert other.cancelled()


async def test_what_comes_too_late_is_refused_and_leaves_nothing() -> None:
    async with OwnTasks() as tasks:
        pass
    late = asyncio.sleep(0)
    with pytest.raises(RuntimeError):
        tasks.create_task(late)
    assert inspect.getcoroutinestate(late) == inspect.CORO_CLOSED
