"""Voice sessions: calls in which a conversation is spoken."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from server.domain.ids import ConversationId, VoiceSessionId

VOICE_SCOPE = "voice:create"


@dataclass(frozen=True, slots=True)
class VoiceLimits:
    """Bounds of voice sessions."""

    duration: timedelta = timedelta(hours=1)
    """How long a session lasts at most."""
    joining: timedelta = timedelta(seconds=20)
    """How long a bot may take to join its room."""
    per_user: int = 2
    """How many sessions of a user may live at a time."""
    per_process: int = 16
    """How many a process may hold."""
    lease: timedelta = timedelta(seconds=30)
    """For how long a session counts as alive whose process does not say so again."""
    heartbeat: timedelta = timedelta(seconds=10)
    """How often it does."""
    transcript_bytes: int = 32 * 1024
    """How long one turn of the user may be."""
    last_words: timedelta = timedelta(seconds=5)
    """How long the last events of an interrupted answer may take before the next turn begins without them."""


@dataclass(frozen=True, slots=True)
class VoiceSession:
    """A call, from the moment in which its room is about to be made to its end."""

    id: VoiceSessionId
    conversation_id: ConversationId
    room_name: str
    room_url: str
    """Empty until the bot is in the room."""
    created_at: datetime
    expires_at: datetime
    lease_until: datetime
    """Until then it counts as alive; its process renews that."""

    @property
    def is_open(self) -> bool:
        """Whether it can be joined."""
        return self.room_url != ""

    def is_live(self, now: datetime) -> bool:
        """Whether some process still holds it."""
        return now < min(self.expires_at, self.lease_until)


class End(StrEnum):
    """Why a session ended."""

    HUNG_UP = "HUNG_UP"
    """Somebody ended it."""
    EXPIRED = "EXPIRED"
    """Its time was over."""
    GONE = "GONE"
    """Its row is gone: with its conversation, or ended by another process."""
    UNAUTHORISED = "UNAUTHORISED"
    """Whoever made it may not do so any more."""
    EMPTY = "EMPTY"
    """Nobody was in the room any more."""
    BOT_LEFT = "BOT_LEFT"
    """The bot left the room by itself, or was put out of it."""
    BOT_FAILED = "BOT_FAILED"
    """The bot said why it could not go on."""
    BOT_DIED = "BOT_DIED"
    """The bot's process ended without a word, or stopped reading."""
    BOT_BROKE_RULES = "BOT_BROKE_RULES"
    """The bot said what it may not say."""
    STOPPED = "STOPPED"
    """The service stops."""
    FAILED = "FAILED"
    """Something else broke."""


def room_name(session_id: VoiceSessionId) -> str:
    """The room's name: Daily takes letters, digits and dashes."""
    return f"parley-{UUID(session_id).hex}"
