"""What a call leaves behind is freed as it ends: a server must not hold thousands of ended streams until Python's
collector, which looks at old objects rarely, comes by."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import pytest_asyncio
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.support.toy.served import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

_TIMES = 3


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving("in_process") as running:
        yield running


async def _replied(served: Served) -> None:
    assert (await served.client.get("/v1/act?size=3")).status_code == 200


async def _refused(served: Served) -> None:
    assert (await served.client.get("/v1/act?code=5&message=none")).status_code == 404


async def _streamed(served: Served) -> None:
    assert "event: end" in (await served.client.get("/v1/stream?events=2")).text


async def _failed_late(served: Served) -> None:
    assert "event: error" in (await served.client.get("/v1/stream?events=2&code=5")).text


async def _abandoned(served: Served) -> None:
    served.record.reset()
    async with served.client.stream("GET", "/v1/stream?events=1&linger=true") as reply:
        assert reply.status_code == 200
    await served.record.cancelled.wait()


@pytest.mark.parametrize("call", [_replied, _refused, _streamed, _failed_late, _abandoned])
async def test_an_ended_call_is_no_garbage_in_a_circle(served: Served, call: Any) -> None:
    await call(served)  # what is made once is not the call's
    with _collected() as garbage:
        for _ in range(_TIMES):
            await call(served)
        async with asyncio.timeout(5):
            while served.upstream._runs:  # type: ignore[attr-defined] # noqa: ASYNC110 - of this kind; it tells nobody
                await asyncio.sleep(0)
    assert garbage == []


@contextmanager
def _collected() -> Iterator[list[str]]:
    """What of the gateway, at the end of the block, nobody reached any more and only the collector could free."""
    found: list[str] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += [type(each).__qualname__ for each in gc.garbage if _is_ours(each)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _is_ours(thing: object) -> bool:
    return isinstance(thing, RequestResponseCycle) or type(thing).__module__.startswith("gateway.")
