"""What voice needs: rooms in which people and bots meet, bots that listen and speak there, and what is stored of it."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from server.domain.ids import ConversationId, VoiceSessionId
from server.domain.run import RunState
from server.domain.voice import End, VoiceSession


class VoiceSessions(Protocol):
    """What a transaction of the store has of the owner's voice sessions. A conversation has one at most."""

    async def of(self, conversation_id: ConversationId) -> VoiceSession | None:
        """The one of a conversation, alive or not."""

    async def get(self, session_id: VoiceSessionId) -> VoiceSession | None:
        """The one of that id."""

    async def count_live(self, now: datetime) -> int:
        """How many of the owner's are alive; until the unit is over, no other unit that asks this adds one."""

    async def add(self, session: VoiceSession) -> None:
        """Store a new one. Raises `ConversationNotFound`."""

    async def open(self, session_id: VoiceSessionId, room_url: str) -> bool:
        """Note where it can be joined; `False` when it is gone."""

    async def renew(self, session_id: VoiceSessionId, until: datetime) -> bool:
        """Let it count as alive until then; `False` when it is gone."""

    async def remove(self, session_id: VoiceSessionId) -> bool:
        """Destroy its row; `False` when it is gone already."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Who joins a room."""

    id: str
    """At most 36 characters."""
    name: str


class Rooms(Protocol):
    """Private rooms. Every method raises `VoiceServiceUnavailable`, `VoiceServiceRefused`, or `VoiceUnavailable` when
    nobody has set them up."""

    async def open(self, name: str, *, until: datetime) -> str:
        """Make the room of a name that nobody had before; everybody is put out of it at `until`. Returns its URL."""

    async def admit(self, name: str, guest: Guest, *, until: datetime) -> str:
        """A secret that opens the room to one guest. It is kept nowhere: whoever needs it again is given another."""

    async def close(self, name: str) -> None:
        """Put everybody out and destroy the room; nothing, when it is gone."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a bot needs to join."""

    room_url: str
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """A whole turn of the user's; turns are counted by the bot, from 1."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class BargedIn:
    """The user began to speak while the answer of that turn was being written or spoken."""

    turn: int


@dataclass(frozen=True, slots=True)
class SaidAloud:
    """Everything that has been spoken of the answer of that turn; `is_done`: nothing more will be."""

    turn: int
    text: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class BotGone:
    """The bot is gone, or as good as gone, and why. Nothing comes behind it."""

    why: End
    detail: str = ""
    """For the log: neither secrets nor content."""


BotEvent = Heard | BargedIn | SaidAloud | BotGone


class Bot(Protocol):
    """A bot that is in its room. What it is told is handed over at once; one that has stopped listening is found to be
    gone by `next`."""

    async def next(self) -> BotEvent:
        """What it says next; `BotGone` again and again once it has been said."""

    def piece(self, turn: int, text: str) -> None:
        """Have it speak the next piece of a turn's answer."""

    def ended(self, turn: int, state: RunState) -> None:
        """Tell it that no piece of the turn's answer comes any more, or none before somebody has decided something."""

    def notice(self, turn: int, text: str) -> None:
        """Have it speak what is no part of the answer."""


class Bots(Protocol):
    """Bots, one for each session."""

    def require(self) -> None:
        """Raise `VoiceUnavailable` when none can be started here."""

    def joined(self, invitation: Invitation) -> AbstractAsyncContextManager[Bot]:
        """A bot in the room; on leaving it leaves the room, and whatever it runs in is gone. Raises
        `VoiceServiceUnavailable` when it has not joined in time, `VoiceServiceRefused` and `VoiceUnavailable`."""


class VoiceFigures(Protocol):
    """Counts; never fails and never waits."""

    def opened(self) -> None:
        """A session can be joined."""

    def failed(self, reason: str) -> None:
        """One could not be made; an `ErrorReason` without its prefix."""

    def ended(self, why: End) -> None:
        """One that could be joined is over."""


class NoVoiceFigures:
    """Counts nothing."""

    def opened(self) -> None:
        """See `VoiceFigures`."""

    def failed(self, reason: str) -> None:
        """See `VoiceFigures`."""

    def ended(self, why: End) -> None:
        """See `VoiceFigures`."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """What is said to the user that no model wrote."""

    awaits_approval: str = "Before I go on, I need your approval. Please look at your screen."
    awaits_client: str = "One moment please, your device has something to do for me."
    failed: str = "I am sorry, something went wrong. Please say that again."
    refused: str = "I am sorry, I cannot answer that."

    def by_state(self) -> Mapping[RunState, str]:
        """What goes with the states of a run."""
        return {
            RunState.AWAITING_APPROVAL: self.awaits_approval,
            RunState.AWAITING_CLIENT_TOOLS: self.awaits_client,
            RunState.FAILED: self.failed,
        }
