"""Whether the bot is in the room, who else is, and how long it waits for that."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from server.adapters.voice.bot.ending import Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the bot waits."""

    joining: timedelta = timedelta(seconds=30)
    """To get into the room."""
    first: timedelta = timedelta(minutes=5)
    """For anybody else to come."""
    again: timedelta = timedelta(minutes=1)
    """For somebody to come back."""


class Presence:
    """Listens to a room, and ends the session when there is nothing to stay for."""

    def __init__(self, ending: Ending, *, on_joined: Callable[[], None], patience: Patience) -> None:
        self._ending = ending
        self._on_joined = on_joined
        self._patience = patience
        self._others: set[str] = set()
        self._timer = self._after(patience.joining, lambda: self.not_joined("the room cannot be reached"))

    def joined(self) -> None:
        """The bot is in the room."""
        self._restart(self._patience.first)
        self._on_joined()

    def not_joined(self, fact: str) -> None:
        """It will not be."""
        self._ending.fail("JOIN_FAILED", fact)

    def removed(self) -> None:
        """It is there no longer."""
        self._ending.leave("REMOVED")

    def arrived(self, participant: str) -> None:
        """Somebody else is there."""
        self._others.add(participant)
        self._timer.cancel()

    def gone(self, participant: str) -> None:
        """Somebody else is there no longer."""
        self._others.discard(participant)
        if not self._others:
            self._restart(self._patience.again)

    def close(self) -> None:
        """Wait for nothing more."""
        self._timer.cancel()

    def _restart(self, patience: timedelta) -> None:
        self._timer.cancel()
        if not self._others:
            self._timer = self._after(patience, lambda: self._ending.leave("EMPTY"))

    def _after(self, patience: timedelta, act: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(patience.total_seconds(), act)
