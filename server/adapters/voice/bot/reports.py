"""Keeps reports of what is spoken from coming more often than is of use."""

import asyncio
from typing import Final

from server.adapters.voice.bot.turns import Tell, Told
from server.adapters.voice.link import Spoken

_SECONDS: Final = 0.5
"""Between two reports of an answer that is being spoken."""


class Reports:
    """Passes on what is told: at once, but for `spoken`, of which the newest waits until the last one is old enough."""

    def __init__(self, send: Tell) -> None:
        self._send = send
        self._waiting: Spoken | None = None
        self._pause: asyncio.TimerHandle | None = None

    def tell(self, told: Told) -> None:
        """Pass on, now or soon. A report that an answer is done takes the place of one that waits."""
        if not isinstance(told, Spoken):
            self._send(told)
        elif told.done:
            self._waiting = None
            self._send(told)
        elif self._pause is None:
            self._send_and_pause(told)
        else:
            self._waiting = told

    def close(self) -> None:
        """Pass on nothing more by itself."""
        if self._pause is not None:
            self._pause.cancel()

    def _send_and_pause(self, spoken: Spoken) -> None:
        self._send(spoken)
        self._pause = asyncio.get_running_loop().call_later(_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._pause, waiting, self._waiting = None, self._waiting, None
        if waiting is not None:
            self._send_and_pause(waiting)
