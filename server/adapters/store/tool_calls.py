"""The ledger of tool calls of the owner's runs. Every change is one statement that names the state it applies to."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Integer, bindparam, literal_column, or_, select, text, update

from server.adapters.store import predicates, tables
from server.adapters.store.executor import Row
from server.adapters.store.scope import Scope
from server.adapters.store.statement import owned, owned_insert, parameter
from server.adapters.store.times import micros, micros_or_none, moment, moment_or_none
from server.domain.errors import RunNotFound
from server.domain.ids import ConversationId, RunId, ToolCallId
from server.domain.tool import OPEN_STATES, ToolCallState, ToolInvocation

_table = tables.tool_calls
_c = _table.c
_runs = tables.runs.c
_COLUMNS: Final = (
    *(_c.id, _c.conversation_id, _c.run_id, _c.message_id, _c.ordinal, _c.epoch, _c.name, _c.arguments, _c.state),
    *(_c.requested_at, _c.server, _c.tool, _c.definition_digest, _c.repeatable, _c.expires_at, _c.warned),
    *(_c.intent_epoch, _c.intent_at, _c.ended_at),
)
_is_open = text(predicates.IS_OPEN)
_as_asked: Final = (_c.requested_at, _c.message_id, _c.ordinal)
_of_conversation = _c.conversation_id == parameter(_c.conversation_id)
_RUN = owned(
    select(_runs.id).where(_runs.id == parameter(_runs.id), _runs.conversation_id == parameter(_runs.conversation_id)),
    tables.runs,
)
_ADD = owned_insert(_table)
_GET = owned(select(*_COLUMNS).where(_c.id == parameter(_c.id), _of_conversation), _table)
_OPEN = owned(select(*_COLUMNS).where(_c.run_id == parameter(_c.run_id), _is_open).order_by(*_as_asked), _table)
_OPEN_OF_CONVERSATION = owned(select(*_COLUMNS).where(_of_conversation, _is_open).order_by(*_as_asked), _table)

_is_intent = bindparam("is_intent", type_=Integer)
_new_state = parameter(_c.state, "new_state")
_SAVE = owned(
    update(_table)
    .where(
        _c.id == parameter(_c.id),
        _c.state == parameter(_c.state, "expected"),
        or_(
            _is_intent == literal_column("0"),
            _c.intents == literal_column("0"),
            _c.repeatable == literal_column("1"),
        ),
    )
    .values(
        state=_new_state,
        definition_digest=parameter(_c.definition_digest, "new_digest"),
        expires_at=parameter(_c.expires_at, "new_expires_at"),
        warned=parameter(_c.warned, "new_warned"),
        intents=_c.intents + _is_intent,
        intent_epoch=parameter(_c.intent_epoch, "new_intent_epoch"),
        intent_at=parameter(_c.intent_at, "new_intent_at"),
        ended_at=parameter(_c.ended_at, "new_ended_at"),
    )
    .returning(_c.id),
    _table,
)


class StoredToolCalls:
    """See `ports.tool_calls.ToolCalls`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def add(self, invocations: Sequence[ToolInvocation]) -> None:
        """Store new ones. Raises `RunNotFound`: the run comes first, and it is one of their conversation."""
        for run_id, conversation_id in {(each.run_id, each.conversation_id) for each in invocations}:
            if await self._scope.fetch_one(_RUN, id=run_id, conversation_id=conversation_id) is None:
                raise RunNotFound(run_id)
        if invocations:
            await self._scope.insert(_ADD, [_values(each) for each in invocations])

    async def get(self, conversation_id: ConversationId, call_id: ToolCallId) -> ToolInvocation | None:
        """The one of that id in that conversation."""
        row = await self._scope.fetch_one(_GET, id=call_id, conversation_id=conversation_id)
        return None if row is None else _invocation(row)

    async def open(self, run_id: RunId) -> list[ToolInvocation]:
        """Those of a run that have no result yet, as they were asked for."""
        return [_invocation(row) for row in await self._scope.fetch(_OPEN, run_id=run_id)]

    async def of_conversation(self, conversation_id: ConversationId, *states: ToolCallState) -> list[ToolInvocation]:
        """Those of a conversation in one of these open states, likewise. Only its active run has any, so that they are
        few."""
        rows = await self._scope.fetch(_OPEN_OF_CONVERSATION, conversation_id=conversation_id)
        wanted = states or OPEN_STATES
        return [found for found in map(_invocation, rows) if found.state in wanted]

    async def save(self, invocation: ToolInvocation, *, expected: ToolCallState) -> bool:
        """Overwrite what may change of one that is in the state `expected`; the first intent of a call that is not
        repeatable is its only one."""
        is_intent = invocation.state is ToolCallState.RUNNING and expected is not ToolCallState.RUNNING
        saved = await self._scope.fetch_one(
            _SAVE,
            id=invocation.id,
            expected=expected.value,
            is_intent=int(is_intent),
            new_state=invocation.state.value,
            new_digest=invocation.definition_digest,
            new_expires_at=micros_or_none(invocation.expires_at),
            new_warned=int(invocation.warned),
            new_intent_epoch=invocation.intent_epoch,
            new_intent_at=micros_or_none(invocation.intent_at),
            new_ended_at=micros_or_none(invocation.ended_at),
        )
        return saved is not None


def _values(invocation: ToolInvocation) -> dict[str, Any]:
    return {
        "id": invocation.id,
        "conversation_id": invocation.conversation_id,
        "run_id": invocation.run_id,
        "message_id": invocation.message_id,
        "ordinal": invocation.ordinal,
        "epoch": invocation.epoch,
        "name": invocation.name,
        "arguments": invocation.arguments,
        "state": invocation.state.value,
        "requested_at": micros(invocation.requested_at),
        "server": invocation.server,
        "tool": invocation.tool,
        "definition_digest": invocation.definition_digest,
        "repeatable": int(invocation.is_repeatable),
        "expires_at": micros_or_none(invocation.expires_at),
        "warned": int(invocation.warned),
        "intents": int(invocation.intent_epoch is not None),
        "intent_epoch": invocation.intent_epoch,
        "intent_at": micros_or_none(invocation.intent_at),
        "ended_at": micros_or_none(invocation.ended_at),
    }


def _invocation(row: Row) -> ToolInvocation:
    (call_id, conversation_id, run_id, message_id, ordinal, epoch, name, arguments, state, requested, *rest) = row
    server, tool, digest, repeatable, expires, warned, intent_epoch, intent_at, ended = rest
    return ToolInvocation(
        id=call_id,
        conversation_id=conversation_id,
        run_id=run_id,
        message_id=message_id,
        ordinal=ordinal,
        epoch=epoch,
        name=name,
        arguments=arguments,
        state=ToolCallState(state),
        requested_at=moment(requested),
        server=server,
        tool=tool,
        definition_digest=digest,
        is_repeatable=bool(repeatable),
        expires_at=moment_or_none(expires),
        warned=bool(warned),
        intent_epoch=intent_epoch,
        intent_at=moment_or_none(intent_at),
        ended_at=moment_or_none(ended),
    )
