"""What waits to be written on a stream: how much of it, and who waits for what."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import pytest

from gateway.core.framing import SSE, Frame, Framing
from gateway.core.problem import Problem
from gateway.core.status import Code
from gateway.edge.outbox import Outbox
from gateway.edge.upstream import Outcome

_LIMIT: Final = 10
_HOUR: Final = 3600.0


class Lines:
    """Messages are bytes, and events as they are."""

    is_raw: Final = False

    def raw_type(self, message: Any) -> bytes:
        raise TypeError(message)

    def frame(self, framing: Framing) -> Frame:
        del framing
        return lambda message: (message, False)


@pytest.fixture
async def outbox() -> Outbox:
    return Outbox(Lines(), SSE, limit=_LIMIT)


async def _gathering(outbox: Outbox) -> asyncio.Task[None]:
    """A task that gathers for an hour, once it waits."""
    task = asyncio.create_task(outbox.gather(_HOUR))
    await asyncio.sleep(0)
    return task


async def test_who_waits_is_told_of_the_first_event(outbox: Outbox) -> None:
    waiting = asyncio.create_task(outbox.wait())
    await asyncio.sleep(0)
    assert outbox.write(b"1")
    await waiting
    assert outbox.take() == b"1"
    assert outbox.is_empty


async def test_who_gathers_is_told_when_nothing_more_fits(outbox: Outbox) -> None:
    gathering = await _gathering(outbox)
    assert outbox.write(b"12345")
    await asyncio.sleep(0)
    assert not gathering.done()
    assert not outbox.write(b"67890")
    await gathering
    assert outbox.take() == b"1234567890"


async def test_who_gathers_waits_no_longer_than_told(outbox: Outbox) -> None:
    outbox.write(b"1")
    await outbox.gather(0)
    assert outbox.take() == b"1"


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("event", ["finish", "abandon", "interrupt"])
async def test_there_is_no_gathering_once_it_is_over(outbox: Outbox, event: str, early: bool) -> None:
    ends: dict[str, Callable[[], None]] = {
        "finish": lambda: outbox.finish(Outcome()),
        "abandon": outbox.abandon,
        "interrupt": lambda: outbox.interrupt(Problem(Code.UNAVAILABLE, "stopping")),
    }
    if early:
        ends[event]()
        await outbox.gather(_HOUR)
    else:
        gathering = await _gathering(outbox)
        ends[event]()
        await gathering


async def test_after_gathering_the_first_event_counts_again(outbox: Outbox) -> None:
    await outbox.gather(0)
    waiting = asyncio.create_task(outbox.wait())
    await asyncio.sleep(0)
    outbox.write(b"1")
    await waiting


async def test_the_upstream_goes_on_when_all_was_taken(outbox: Outbox) -> None:
    assert not outbox.write(b"1234567890")
    draining = asyncio.create_task(outbox.drained())
    await asyncio.sleep(0)
    assert not draining.done()
    outbox.take()
    await draining
