"""What is kept of a model request, so that its messages can be shown exactly as they were sent.

Messages never change, and neither does the message at a position of a branch: their positions are enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from server.domain.enclosure import SentFile
from server.domain.generation import GenerationConfig
from server.domain.ids import CompactionId, ConversationId, MessageId, ModelRequestId, RunId
from server.domain.message import Usage
from server.domain.model_request import LeftOut, Positions
from server.domain.tool import ToolSpec
from server.domain.value import value


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool that the model could ask for: its name, and the digest of its definition."""

    name: str
    digest: str


@value(frozen=True, slots=True)
class RequestRecord:
    """One model request."""

    id: ModelRequestId
    conversation_id: ConversationId
    run_id: RunId
    epoch: int
    """The attempt that made it."""
    round: int
    """Which answer of the run it asked for, from 1."""
    message_id: MessageId
    """The message that its answer becomes, if it comes to one."""
    branch: int
    included: tuple[Positions, ...]
    left_out: tuple[LeftOut, ...]
    system_prompt: str | None
    compaction_id: CompactionId | None
    """The summary that it carried."""
    compaction_failure: str | None
    """Why older messages were cut off instead of summarised: a reason; `None` when nothing failed."""
    tools: tuple[OfferedTool, ...]
    provider: str
    generation: GenerationConfig
    estimated_tokens: int
    """Of messages and tools, as they were estimated then."""
    plain_tokens: int
    """The same without calibration."""
    room: int | None
    """How many tokens messages could take; `None` when the length of the model's context was not known."""
    created_at: datetime
    usage: Usage | None = None
    """What the provider reported with the answer; known once that is stored."""
    files: tuple[SentFile, ...] = ()
    """What it carried of the files of its messages."""


def offered(tools: Sequence[ToolSpec]) -> tuple[OfferedTool, ...]:
    """What a record keeps of the tools of a request."""
    return tuple(OfferedTool(tool.name, tool.digest) for tool in tools)
