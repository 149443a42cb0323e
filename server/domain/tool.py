"""Tools that a model may ask for: what they are, and what becomes of one call.

A tool is served by an MCP server of the operator's configuration, or by the client of the conversation. What a server
says of its tools (names, descriptions, schemas, results) is data that nobody trusts.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from server.domain.ids import ApprovalId, ConversationId, MessageId, RunId, ToolCallId, UserId

SEPARATOR = "__"
"""Stands between server and tool in the name that a model sees; no name of a client's tool contains it."""


class ToolPolicy(StrEnum):
    """What the operator permits of a tool. A server cannot loosen it."""

    AUTO = "AUTO"
    APPROVAL = "APPROVAL"
    DENY = "DENY"


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model is shown it. `input_schema` is a JSON Schema of an object, as JSON text."""

    name: str
    description: str
    input_schema: str

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of all of it: changes with the definition."""
        return text_digest(json.dumps([self.name, self.description, self.input_schema], ensure_ascii=True))


@dataclass(frozen=True, slots=True)
class ServerTool:
    """A tool of an MCP server, under the operator's policy."""

    server: str
    """The server's name in the configuration."""
    tool: str
    """The tool's own name, as the server knows it."""
    spec: ToolSpec
    """What a model is shown; its name is made of both names, stable, and valid for every provider."""
    policy: ToolPolicy
    is_repeatable: bool = False
    """Whether the operator says that a call may be made again when nobody knows what became of it."""


class ToolCallState(StrEnum):
    """Where a tool call stands."""

    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    AWAITING_CLIENT = "AWAITING_CLIENT"
    READY = "READY"
    """It may be executed now."""
    RUNNING = "RUNNING"
    """Its intent is committed: the tool may have been called."""
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    """The tool said that it failed."""
    REFUSED = "REFUSED"
    """It was never called: no such tool, forbidden, arguments that are none."""
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    """Nobody decided, or no client answered, in time."""
    UNKNOWN = "UNKNOWN"
    """The tool was called and nobody knows what became of it."""
    CLOSED = "CLOSED"
    """Its run ended before it was called or answered."""

    @property
    def is_open(self) -> bool:
        """Whether the call has no result yet."""
        return self in OPEN_STATES


OPEN_STATES = frozenset(
    {ToolCallState.AWAITING_APPROVAL, ToolCallState.AWAITING_CLIENT, ToolCallState.READY, ToolCallState.RUNNING}
)


@dataclass(frozen=True, slots=True)
class ToolInvocation:
    """One tool call of a run: the entry of the ledger. `server` is `None` for a client's tool, and for what is none."""

    id: ToolCallId
    conversation_id: ConversationId
    run_id: RunId
    message_id: MessageId
    """The assistant's message that asks for it."""
    ordinal: int
    """Its place among the calls of that message, from 0."""
    epoch: int
    """The attempt that stored it."""
    name: str
    """The tool's name as the model saw it."""
    arguments: str
    """JSON text as the model wrote it."""
    state: ToolCallState
    requested_at: datetime
    server: str | None = None
    tool: str = ""
    """The tool's own name on its server; empty without one."""
    definition_digest: str = ""
    """Of the definition under which it was proposed, or approved."""
    is_repeatable: bool = False
    expires_at: datetime | None = None
    """When waiting for a person or a client ends; `None` when it does not wait."""
    warned: bool = False
    """Whether it was said that it is about to expire."""
    intent_epoch: int | None = None
    """The attempt that committed to calling the tool; stays when the call is over."""
    intent_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_clients(self) -> bool:
        """Whether the client executes it; the tool of one that is nobody's has no definition."""
        return self.server is None and bool(self.definition_digest)

    @property
    def arguments_digest(self) -> str:
        """SHA-256 of the arguments, in hex."""
        return text_digest(self.arguments)


class ApprovalState(StrEnum):
    """What became of a request for approval."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    USED = "USED"
    """Approved, and the call was made: an approval is good for one."""
    VOID = "VOID"
    """Its call was closed, or its tool's definition changed."""


class Decision(StrEnum):
    """What was said to a request for approval."""

    APPROVED = "APPROVED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    """Nobody said anything in time, which is no denial."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A request to a person to permit one tool call, and the decision. It holds for exactly what was shown: this call
    of this run and epoch, this definition of the tool, these arguments."""

    id: ApprovalId
    tool_call_id: ToolCallId
    conversation_id: ConversationId
    run_id: RunId
    epoch: int
    definition_digest: str
    arguments_digest: str
    requested_at: datetime
    expires_at: datetime
    state: ApprovalState = ApprovalState.PENDING
    reason: str | None = None
    decided_by: UserId | None = None
    """The UUID of who acted, the impersonator when somebody was impersonated."""
    decided_at: datetime | None = None


def text_digest(text: str) -> str:
    """SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
