"""Requests for approval of the owner's tool calls. Every change is one statement that names the state it applies to."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, literal_column, select, text, update

from server.adapters.store import predicates, tables
from server.adapters.store.executor import Row
from server.adapters.store.scope import Scope
from server.adapters.store.statement import owned, owned_insert, parameter
from server.adapters.store.times import micros, micros_or_none, moment, moment_or_none
from server.domain.errors import RunNotFound
from server.domain.ids import ConversationId, ToolCallId, UserId
from server.domain.tool import Approval, ApprovalState

_table = tables.approvals
_c = _table.c
_calls = tables.tool_calls.c
_COLUMNS: Final = (
    *(_c.id, _c.tool_call_id, _c.conversation_id, _c.run_id, _c.epoch, _c.definition_digest, _c.arguments_digest),
    *(_c.requested_at, _c.expires_at, _c.state, _c.reason, _c.decided_by, _c.decided_at),
)
_of_call = _c.tool_call_id == parameter(_c.tool_call_id)
_how_many = select(func.coalesce(func.max(_c.number), literal_column("0"))).where(_of_call).scalar_subquery()
# A row only when the call is the owner's, and of that run and conversation.
_HOW_MANY = owned(
    select(_how_many).where(
        _calls.id == parameter(_c.tool_call_id),
        _calls.run_id == parameter(_calls.run_id),
        _calls.conversation_id == parameter(_calls.conversation_id),
    ),
    tables.tool_calls,
)
_ADD = owned_insert(_table)
_CURRENT = owned(
    select(*_COLUMNS).where(_of_call).order_by(_c.number.desc()).limit(literal_column("1")),
    _table,
)
_PENDING = owned(
    select(*_COLUMNS)
    .where(_c.conversation_id == parameter(_c.conversation_id), text(predicates.IS_PENDING))
    .order_by(_c.requested_at, _c.id),
    _table,
)
_settled = (
    update(_table)
    .where(_c.id == parameter(_c.id), _c.state == parameter(_c.state, "expected"))
    .values(state=parameter(_c.state, "new_state"))
    .returning(_c.id)
)
_SETTLE = owned(_settled, _table)
_DECIDE = owned(
    _settled.values(
        reason=parameter(_c.reason, "new_reason"),
        decided_by=parameter(_c.decided_by, "new_decided_by"),
        decided_at=parameter(_c.decided_at, "new_decided_at"),
    ),
    _table,
)


class StoredApprovals:
    """See `ports.tool_calls.Approvals`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def add(self, approval: Approval) -> None:
        """Store a new one. Raises `RunNotFound`: the call comes first, and is of that run. Raises `RowRefused` beside
        another PENDING one."""
        found = await self._scope.fetch_one(
            _HOW_MANY,
            tool_call_id=approval.tool_call_id,
            run_id=approval.run_id,
            conversation_id=approval.conversation_id,
        )
        if found is None:
            raise RunNotFound(approval.run_id)
        await self._scope.fetch(_ADD, **_values(approval), number=found[0] + 1)

    async def current(self, call_id: ToolCallId) -> Approval | None:
        """The one of a call that was added last."""
        row = await self._scope.fetch_one(_CURRENT, tool_call_id=call_id)
        return None if row is None else _approval(row)

    async def pending(self, conversation_id: ConversationId) -> list[Approval]:
        """Those of a conversation that wait for a decision, the oldest first."""
        return [_approval(row) for row in await self._scope.fetch(_PENDING, conversation_id=conversation_id)]

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
        """Move one that is in the state `expected` to another; a decision keeps who, when and why."""
        change = {"id": approval.id, "expected": expected.value, "new_state": state.value}
        if expected is not ApprovalState.PENDING:
            return await self._scope.fetch_one(_SETTLE, **change) is not None
        decision = {"new_reason": reason, "new_decided_by": by, "new_decided_at": micros(now)}
        return await self._scope.fetch_one(_DECIDE, **change, **decision) is not None


def _values(approval: Approval) -> dict[str, Any]:
    return {
        "id": approval.id,
        "tool_call_id": approval.tool_call_id,
        "conversation_id": approval.conversation_id,
        "run_id": approval.run_id,
        "epoch": approval.epoch,
        "definition_digest": approval.definition_digest,
        "arguments_digest": approval.arguments_digest,
        "requested_at": micros(approval.requested_at),
        "expires_at": micros(approval.expires_at),
        "state": approval.state.value,
        "reason": approval.reason,
        "decided_by": approval.decided_by,
        "decided_at": micros_or_none(approval.decided_at),
    }


def _approval(row: Row) -> Approval:
    (approval_id, call_id, conversation_id, run_id, epoch, definition, arguments, requested, expires, *rest) = row
    state, reason, decided_by, decided_at = rest
    return Approval(
        id=approval_id,
        tool_call_id=call_id,
        conversation_id=conversation_id,
        run_id=run_id,
        epoch=epoch,
        definition_digest=definition,
        arguments_digest=arguments,
        requested_at=moment(requested),
        expires_at=moment(expires),
        state=ApprovalState(state),
        reason=reason,
        decided_by=decided_by,
        decided_at=moment_or_none(decided_at),
    )
