"""A run: one answer of the model to one user message, and the states it goes through."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from server.domain.generation import GenerationConfig
from server.domain.ids import ConversationId, MessageId, RunId, SessionId, UserId, WorkerId
from server.domain.message import Usage
from server.domain.principal import Owner
from server.domain.spending import NOBODY, Payer
from server.domain.tool import ToolSpec


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    AWAITING_CLIENT_TOOLS = "AWAITING_CLIENT_TOOLS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    INTERRUPTED = "INTERRUPTED"

    @property
    def is_active(self) -> bool:
        """Whether a run in this state holds its conversation; at most one does."""
        return self in ACTIVE_STATES

    @property
    def is_parked(self) -> bool:
        """Whether a run in this state waits for a person or a client, and no worker holds it."""
        return self in PARKED_STATES

    @property
    def is_terminal(self) -> bool:
        """Whether a run keeps this state for ever."""
        return not self.is_active and self is not RunState.QUEUED


PARKED_STATES = frozenset({RunState.AWAITING_APPROVAL, RunState.AWAITING_CLIENT_TOOLS})
ACTIVE_STATES = PARKED_STATES | {RunState.RUNNING}


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run failed: an `ErrorReason` of the protos without its prefix, and the same for people."""

    reason: str
    message: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one worker to execute a run until a moment."""

    worker: WorkerId
    until: datetime


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is asked of a run besides an answer of its model."""

    use_cache: bool = False
    """Whether an answer to the same question may be taken from the response cache, and given to it."""
    image: bool = False
    """Whether an image is to be drawn instead of a text written."""
    client_tools: tuple[ToolSpec, ...] = ()
    """Tools that the client executes, besides those of the conversation's settings; of the same name, instead."""


PLAIN = RunOptions()


@dataclass(frozen=True, slots=True)
class Crowd:
    """What is there beside a run that is about to be stored."""

    is_awaited: bool
    """Whether runs wait in its conversation."""
    running: int
    """How many RUNNING runs of the same caller its owner has in other conversations."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `epoch` grows with every claim; a write that carries an older one is refused."""

    id: RunId
    owner: Owner
    conversation_id: ConversationId
    conversation_key: str
    state: RunState
    user_message_id: MessageId
    model: str
    provider: str
    generation: GenerationConfig
    """Everything the run generates with, resolved when its message was accepted."""
    created_at: datetime
    epoch: int = 0
    """How often it was claimed; the number of its current attempt."""
    lease: Lease | None = None
    session_id: SessionId | None = None
    actor: str | None = None
    """The key's own user when the message was sent on behalf of another."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: RunError | None = None
    usage: Usage | None = None
    options: RunOptions = PLAIN
    rounds: int = 0
    """How many answers of the model that ask for tools it has stored."""
    caller: str = ""
    """Whose key, or which person, started it, as `Principal.caller` has it; empty where nobody noted it."""
    settled_epoch: int = 0
    """The last epoch that does not count as an attempt: behind it a step was stored, or the run was paused."""
    payer: Payer = NOBODY
    """The key that its message was sent by."""

    @property
    def attempts(self) -> int:
        """How often its current step was begun."""
        return self.epoch - self.settled_epoch

    @property
    def user(self) -> str:
        """The name of the user who sent its message."""
        return self.actor or self.owner.user

    @property
    def user_id(self) -> UserId:
        """The UUID of the user who sent its message."""
        return self.owner.acting_user_id(self.actor)


@dataclass(frozen=True, slots=True)
class RunReference:
    """A run found without knowing its owner."""

    id: RunId
    owner: Owner
    conversation_id: ConversationId
    epoch: int
