"""What a transaction of the store does with the ledger of tool calls and with approvals.

Every change is conditional: `False` means that the row has moved on, and the caller must not act on what it knew.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from server.domain.ids import ConversationId, RunId, ToolCallId, UserId
from server.domain.tool import Approval, ApprovalState, ToolCallState, ToolInvocation


class ToolCalls(Protocol):
    """Tool calls of the owner's runs."""

    async def add(self, invocations: Sequence[ToolInvocation]) -> None:
        """Store new ones of a run that is stored already."""

    async def get(self, conversation_id: ConversationId, call_id: ToolCallId) -> ToolInvocation | None:
        """The one of that id in that conversation."""

    async def open(self, run_id: RunId) -> list[ToolInvocation]:
        """Those of a run that have no result yet, in the order in which the model asked: by message, then ordinal."""

    async def of_conversation(self, conversation_id: ConversationId, *states: ToolCallState) -> list[ToolInvocation]:
        """Those of a conversation in one of these open states, likewise ordered."""

    async def save(self, invocation: ToolInvocation, *, expected: ToolCallState) -> bool:
        """Overwrite state, definition digest, expiry, `warned`, intent and end of one that is in the state
        `expected`."""


class Approvals(Protocol):
    """Requests for approval of the owner's tool calls."""

    async def add(self, approval: Approval) -> None:
        """Store a new one. At most one of a call is PENDING."""

    async def current(self, call_id: ToolCallId) -> Approval | None:
        """The newest of a call."""

    async def pending(self, conversation_id: ConversationId) -> list[Approval]:
        """Those of a conversation that wait for a decision, the oldest first."""

    async def settle(
        self,
        approval: Approval,
        state: ApprovalState,
        *,
        expected: ApprovalState,
        now: datetime,
        by: UserId | None = None,
        reason: str | None = None,
    ) -> bool:
        """Move one that is in the state `expected` to another; a decision (from PENDING) keeps who, when and why."""
