"""A client stream is waited for, but not for ever, at any of its requests."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from server.domain.errors import InvalidField
from server.rpc.interceptors.requests import Requests
from server.rpc.status import DeadlinePassed


async def silent_after(count: int) -> AsyncIterator[str]:
    for number in range(count):
        yield str(number)
    await asyncio.Event().wait()


async def test_the_first_request_is_given_twice() -> None:
    requests = Requests(silent_after(2))
    assert await requests.first() == "0"
    assert [await anext(requests), await anext(requests)] == ["0", "1"]


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_a_client_that_goes_silent_is_given_up(count: int) -> None:
    requests, got = Requests(silent_after(count), patience=0.01), list[str]()
    with pytest.raises(DeadlinePassed):
        await take(requests, got)
    assert got == [str(number) for number in range(count)]


async def take(requests: Requests, got: list[str]) -> None:
    await requests.first()
    async for each in requests:
        got.append(each)  # noqa: PERF401 - what came before the failure counts


async def test_a_stream_without_a_request_is_refused() -> None:
    async def nothing() -> AsyncIterator[str]:
        return
        yield ""

    with pytest.raises(InvalidField):
        await Requests(nothing()).first()
