"""Summaries of the owner's conversations."""

from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from server.adapters.store import tables
from server.adapters.store.executor import Row
from server.adapters.store.scope import Scope
from server.adapters.store.statement import Owned, found, owned, parameter
from server.adapters.store.times import micros, moment
from server.domain.compaction import Compaction, CompactionCause
from server.domain.errors import ConversationNotFound
from server.domain.ids import CompactionId, ConversationId

_table = tables.compactions
_c = _table.c
_COLUMNS: Final = (
    *(_c.id, _c.conversation_id, _c.version, _c.branch, _c.upto, _c.summary, _c.messages_summarized),
    *(_c.tokens_before, _c.tokens_after, _c.model, _c.provider, _c.cause, _c.run_id, _c.created_at),
)
_CONVERSATION = found(tables.conversations)
# An error would end the whole transaction on PostgreSQL.
_ADD = Owned(insert(_table).on_conflict_do_nothing(index_elements=[_c.conversation_id, _c.version]).returning(_c.id))
_GET = owned(select(*_COLUMNS).where(_c.id == parameter(_c.id)), _table)
_of_conversation = select(*_COLUMNS).where(_c.conversation_id == parameter(_c.conversation_id))
_ALL = owned(_of_conversation.order_by(_c.version), _table)
_NEWEST = owned(_of_conversation.order_by(_c.version.desc()).limit(1), _table)


class StoredCompactions:
    """See `ports.contexts.Compactions`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def add(self, compaction: Compaction) -> bool:
        """Store a new one, unless its version is taken. Raises `ConversationNotFound`."""
        if not await self._scope.owns(_CONVERSATION, compaction.conversation_id):
            raise ConversationNotFound(compaction.conversation_id)
        return await self._scope.fetch_one(_ADD, **_values(compaction)) is not None

    async def get(self, compaction_id: CompactionId) -> Compaction | None:
        """The one of that id."""
        row = await self._scope.fetch_one(_GET, id=compaction_id)
        return None if row is None else _compaction(row)

    async def newest(self, conversation_id: ConversationId) -> Compaction | None:
        """The one of the highest version."""
        row = await self._scope.fetch_one(_NEWEST, conversation_id=conversation_id)
        return None if row is None else _compaction(row)

    async def all(self, conversation_id: ConversationId) -> list[Compaction]:
        """Every one, by version."""
        return [_compaction(row) for row in await self._scope.fetch(_ALL, conversation_id=conversation_id)]


def _values(compaction: Compaction) -> dict[str, Any]:
    return {
        "id": compaction.id,
        "conversation_id": compaction.conversation_id,
        "version": compaction.version,
        "branch": compaction.branch,
        "upto": compaction.upto,
        "summary": compaction.text,
        "messages_summarized": compaction.messages_summarized,
        "tokens_before": compaction.tokens_before,
        "tokens_after": compaction.tokens_after,
        "model": compaction.model,
        "provider": compaction.provider,
        "cause": compaction.cause.value,
        "run_id": compaction.run_id,
        "created_at": micros(compaction.created_at),
    }


def _compaction(row: Row) -> Compaction:
    row_id, conversation_id, version, branch, upto, summary, messages, before, after, *rest = row
    model, provider, cause, run_id, created = rest
    return Compaction(
        id=row_id,
        conversation_id=conversation_id,
        version=version,
        branch=branch,
        upto=upto,
        text=summary,
        messages_summarized=messages,
        tokens_before=before,
        tokens_after=after,
        model=model,
        provider=provider,
        cause=CompactionCause(cause),
        run_id=run_id,
        created_at=moment(created),
    )
