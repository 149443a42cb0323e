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
        """Store new ones of a run that is stored already. Raises `RunNotFound` when it is not, or is not one of their
        conversation."""

    async def get(self, conversation_id: ConversationId, call_id: ToolCallId) -> ToolInvocation | None:
        """The one of that id in that conversation."""

    async def open(self, run_id: RunId) -> list[ToolInvocation]:
        """Those of a run that have no result yet, in the order in which the model asked: by message, then ordinal."""

    async def of_conversation(self, conversation_id: ConversationId, *states: ToolCallState) -> list[ToolInvocation]:
        """Those of a conversation in one of these open states, in any when none is named; likewise ordered."""

    async def save(self, invocation: ToolInvocation, *, expected: ToolCallState) -> bool:
        """Overwrite state, definition digest, expiry, `warned`, intent and end of one that is in the state `expected`.

        Moving it to RUNNING is the intent to call the tool. A call that is not repeatable has one in its whole life:
        a second does not apply, whatever its state."""


class Approvals(Protocol):
    """Requests for approval of the owner's tool calls."""

    async def add(self, approval: Approval) -> None:
        """Store a new one of a call that is stored already; at most one of a call is PENDING. Raises `RunNotFound` when
        there is no such call of that run."""

    async def current(self, call_id: ToolCallId) -> Approval | None:
        """The one of a call that was added last, whatever became of it."""

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
        """Move one that is in the state `expected` to another; what ends PENDING keeps who, when and why, what comes
        behind changes the state alone."""
