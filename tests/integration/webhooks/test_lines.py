"""Connections to webhooks: every one is closed with its line, whatever happens meanwhile."""

import asyncio
from dataclasses import replace
from itertools import count

import pytest

from server.adapters.webhooks.sender import HttpWebhookSender
from server.domain.webhook import WebhookPolicy
from tests.support.hook_receiver import OK

POLICY = replace(WebhookPolicy(), allow_http=True, allow_private=True)
CONNECTIONS = 4


async def _is_left(sender: HttpWebhookSender, url: str, *, after: int, all_came: asyncio.Barrier) -> bool:
    """Whether a line was left before whoever left it was cancelled, which happens after so many turns of the loop."""
    leaving = asyncio.Event()
    kept = []

    async def use() -> None:
        async with sender.line(url) as line:
            kept.append(line)  # so that nothing is closed for want of references
            await asyncio.gather(*(line.post(b"{}", {}) for _ in range(CONNECTIONS)))
            leaving.set()

    task = asyncio.create_task(use())
    await leaving.wait()
    for _ in range(after):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    await all_came.wait()  # every connection has come to its end
    return not task.cancelled()


@pytest.mark.timeout(60)
async def test_who_is_cancelled_while_it_closes_a_line_closes_all_of_it() -> None:
    barrier = asyncio.Barrier(CONNECTIONS + 1)
    busy = asyncio.Barrier(CONNECTIONS)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        await busy.wait()  # so that none is used twice
        writer.write(OK)
        await reader.read()
        writer.close()
        await barrier.wait()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        sender = HttpWebhookSender(POLICY)
        for after in count():
            async with asyncio.timeout(10):
                if await _is_left(sender, url, after=after, all_came=barrier):
                    break
    assert after > 1
