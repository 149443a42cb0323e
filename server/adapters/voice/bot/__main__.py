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
_LAST_SECONDS: Final = 5.0
"""That the process may take to leave the room and end: the library of Daily lets go of no room while it joins it."""


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


class _LastWord:
    """Says why the session ends; then the process does, whatever its libraries wait for."""

    def __init__(self, link: Pipes) -> None:
        self._link = link
        self._is_said = False
        self.status = 1

    def __call__(self, outcome: Left | Failed) -> None:
        """Say it, unless another word was the last one."""
        if self._is_said:
            return
        self._is_said = True
        self.status = int(isinstance(outcome, Failed))
        self._link.send(outcome)
        timer = threading.Timer(_LAST_SECONDS, os._exit, [self.status])
        timer.daemon = True
        timer.start()


async def _serve(output: int, open_room: "OpenRoom | None") -> int:
    take_over_loop()
    async with open_pipes(os.dup(sys.stdin.fileno()), output) as link:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, link.stop_receiving)
        end = _LastWord(link)
        await _hold(link, open_room, end)
    return end.status


async def _hold(link: Pipes, open_room: "OpenRoom | None", end: _LastWord) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS):
            start = await link.receive()
    except (LinkError, TimeoutError) as error:
        end(Failed(reason="BAD_START", message=str(error) or "no start came"))
        return
    if start is None:
        end(Left(reason="LEAVE"))
    elif isinstance(start, Start):
        await _hold_started(start, link, open_room, end)
    else:
        end(Failed(reason="BAD_START", message="the first line is no start"))


async def _hold_started(start: Start, link: Pipes, open_room: "OpenRoom | None", end: _LastWord) -> None:
    try:
        take_over_loguru()
        from server.adapters.voice.bot.daily_room import open_daily_room
        from server.adapters.voice.bot.session import hold_session
    except ImportError as error:
        missing = (error.name or "a package").partition(".")[0]
        end(Failed(reason="NOT_INSTALLED", message=f"the extra `voice` is not installed: {missing} is missing"))
        return
    try:
        await hold_session(start, link, open_room or open_daily_room, at_end=end)
    except Exception as error:
        # A library's fault, of which the server has to hear; the log tells where.
        end(Failed(reason="SPEECH_FAILED", message=f"the bot broke down: {_root(error)}"))
        raise


def _root(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
