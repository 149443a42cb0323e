"""`python -m server.adapters.voice.bot`: a bot for one session, told by its standard input what to do.

Exits with 0 after a session, with 1 when it could not be held. Nothing but the link is written to the standard output.
"""

import asyncio
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

from server.adapters.voice.bot.logs import keep_content_out, private_output, take_over_loguru, take_over_loop
from server.adapters.voice.bot.pipes import Pipes, open_pipes
from server.adapters.voice.link import Failed, Left, LinkError, Start

if TYPE_CHECKING:
    from server.adapters.voice.bot.room import OpenRoom

_START_SECONDS: Final = 30.0
"""In which the first line has to come."""
_LAST_SECONDS: Final = 8.0
"""That the process may take to end once the session has: native libraries have threads of their own."""


def main(open_room: "OpenRoom | None" = None) -> int:
    """Hold the session that the link asks for, in a room of Daily unless `open_room` makes another. The exit status."""
    output = private_output()
    keep_content_out()
    _clean_environment()
    return asyncio.run(_serve(output, open_room))


def _clean_environment() -> None:
    # What the operator sets for other programs is not meant for the configured services.
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        del os.environ[name]
    # The native library of Daily would write addresses to the log.
    os.environ["RUST_LOG"] = "off"


async def _serve(output: int, open_room: "OpenRoom | None") -> int:
    take_over_loop()
    async with open_pipes(os.dup(sys.stdin.fileno()), output) as link:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, link.stop_receiving)
        outcome = await _outcome(link, open_room)
        status = int(isinstance(outcome, Failed))
        _end_in_any_case(status)
        link.send(outcome)
    return status


async def _outcome(link: Pipes, open_room: "OpenRoom | None") -> Left | Failed:
    try:
        async with asyncio.timeout(_START_SECONDS):
            start = await link.receive()
    except (LinkError, TimeoutError) as error:
        return Failed(reason="BAD_START", message=str(error) or "no start came")
    if start is None:
        return Left(reason="LEAVE")
    if not isinstance(start, Start):
        return Failed(reason="BAD_START", message="the first line is no start")
    try:
        take_over_loguru()
        from server.adapters.voice.bot.daily_room import open_daily_room
        from server.adapters.voice.bot.session import hold_session
    except ImportError as error:
        missing = (error.name or "a package").partition(".")[0]
        return Failed(reason="NOT_INSTALLED", message=f"the extra `voice` is not installed: {missing} is missing")
    return await hold_session(start, link, open_room or open_daily_room)


def _end_in_any_case(status: int) -> None:
    timer = threading.Timer(_LAST_SECONDS, os._exit, [status])
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
