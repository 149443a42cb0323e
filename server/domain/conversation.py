"""A conversation (a thread, a chat: the same row through different doors) and its settings."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from server.domain.generation import GenerationConfig
from server.domain.ids import AssistantId, ConversationId, OrganizationId, UserId
from server.domain.memory import NO_MEMORY, MemorySettings
from server.domain.principal import Owner
from server.domain.run import RunState
from server.domain.tool import ToolSpec
from server.domain.value import value

DEFAULT_MAX_HISTORY_MESSAGES = 100


class InterruptPolicy(StrEnum):
    """What a new message does while a run is active."""

    QUEUE = "QUEUE"
    INTERRUPT = "INTERRUPT"


class ContextStrategy(StrEnum):
    """How a history that is too long is fitted into a model request."""

    SLIDING_WINDOW = "SLIDING_WINDOW"
    SUMMARIZE = "SUMMARIZE"


@dataclass(frozen=True, slots=True)
class Settings:
    """What applies to every run of a conversation."""

    system_prompt: str | None = None
    interrupt_policy: InterruptPolicy = InterruptPolicy.QUEUE
    mcp_servers: tuple[str, ...] = ()
    """Names of the servers whose tools the model may ask for."""
    client_tools: tuple[ToolSpec, ...] = ()
    """Tools that the client executes."""
    memory: MemorySettings = NO_MEMORY


@dataclass(frozen=True, slots=True)
class ContextManagement:
    """How the history is fitted into a model request."""

    strategy: ContextStrategy = ContextStrategy.SLIDING_WINDOW
    max_history_messages: int = DEFAULT_MAX_HISTORY_MESSAGES


@value(frozen=True, slots=True)
class Conversation:
    """One conversation without its messages."""

    id: ConversationId
    owner: Owner
    key: str
    """The caller's name for it, unique per owner."""
    name: str
    created_at: datetime
    updated_at: datetime
    archived: bool = False
    organization_id: OrganizationId | None = None
    settings: Settings = field(default_factory=Settings)
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    context_management: ContextManagement = field(default_factory=ContextManagement)
    last_sequence: int = 0
    """Sequence of its newest event."""
    branch: int = 1
    """Number of its active branch."""
    model: str = ""
    """Name of the model of its last message; before the first one that which would answer it."""
    image_model: str = ""
    """Name of the model that draws its images; empty when none is configured."""
    summary: str = ""
    assistant_id: AssistantId | None = None
    created_by: UserId | None = None
    updated_by: UserId | None = None
    """Who acted last; `None` is nobody that is known."""
    accessed_by: UserId | None = None
    accessed_at: datetime | None = None
    """When it was last looked at through an API that counts looks; `None`: never."""


@value(frozen=True, slots=True)
class ConversationSummary:
    """A conversation in a list, with what it is doing."""

    conversation: Conversation
    active_state: RunState | None
    """State of the active run; `None` when idle."""
