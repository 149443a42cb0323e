"""A model server that speaks at a steady pace and puts the time into every token.

    python -m tests.bench.rig.token_upstream

The last message of a request says how: `TOKENS PER_SECOND`. Each token is the moment at which it was written to the
socket, on the clock `time.monotonic` that all processes of a machine share, so that whoever sees it later knows how
long it took. The first line on standard output is its base URL.
"""

import asyncio
import json
import time

import uvloop

from tests.support.upstream import wire

_HEAD = wire.head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
_MARK = b"@"
_BEFORE, _, _BEHIND = wire.event(wire.completion_chunk({"content": _MARK.decode()})).partition(_MARK)
_END = (
    wire.framed(wire.event(wire.completion_chunk({}, finish_reason="stop")))
    + wire.framed(wire.event(wire.usage_chunk(7, 5)))
    + wire.framed(wire.DONE)
    + wire.framed(b"")
)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Requests of one connection, one after the other, until it is closed."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, _, rest = head.partition(b"content-length: ")
            body = json.loads(await reader.readexactly(int(rest.partition(b"\r\n")[0])))
            count, rate = map(int, body["messages"][-1]["content"].split())
            writer.write(_HEAD)
            await _speak(writer, count, 1 / rate)
            writer.write(_END)
    except (ConnectionError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


async def _speak(writer: asyncio.StreamWriter, count: int, interval: float) -> None:
    """`count` tokens, each at its time; a late one makes no other late."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for _ in range(count):
        due += interval
        if (early := due - loop.time()) > 0:
            await asyncio.sleep(early)
        writer.write(wire.framed(b"%b%.6f %b" % (_BEFORE, time.monotonic(), _BEHIND)))
        await writer.drain()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    async with server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
