"""Conversations on their way out: hidden in one step, deleted in as many as it takes. See `ports.erasures.Graves`."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    bindparam,
    delete,
    exists,
    insert,
    literal_column,
    select,
    text,
    update,
)

from server.adapters.store import tables
from server.adapters.store.batches import delete_some
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Executor, Row
from server.adapters.store.paging import LIMIT
from server.adapters.store.personal_data import PERSONAL_DATA
from server.adapters.store.predicates import GRAVE, IS_BURIED, IS_WANTED
from server.adapters.store.statement import Statement, parameter
from server.adapters.store.times import micros
from server.domain.ids import ConversationId, FileId
from server.domain.principal import Owner
from server.domain.run import RunState
from server.ports.erasures import Buried

_table = tables.conversations
_c = _table.c
_runs = tables.runs
_OVER: Final[list[ColumnElement[str]]] = [literal_column(f"'{state}'") for state in RunState if state.is_terminal]

_of_tenant = _c.tenant == bindparam("tenant", type_=STRING)
_is_buried = text(f"conversations.{IS_BURIED}")
_is_anybodys = _c.owner != literal_column(f"'{GRAVE}'")
_is_old = _c.updated_at < bindparam("before", type_=BigInteger)
_may_be_kept = bindparam("archived_only", type_=BigInteger)
_is_due = (_is_old, _is_anybodys, (_may_be_kept == literal_column("0")) | (_c.archived == literal_column("1")))
_is_idle = ~exists().where(_runs.c.conversation_id == _c.id, _runs.c.state.not_in(_OVER))
_HIDDEN: Final[dict[str, Any]] = {"owner": literal_column(f"'{GRAVE}'"), "key": _c.id}

_OF_USER = Statement(select(_c.id).where(_of_tenant, _c.owner == bindparam("user", type_=STRING)).limit(LIMIT))
_UNTOUCHED = Statement(select(_c.id).where(_of_tenant, *_is_due, _is_idle).order_by(_c.updated_at, _c.id).limit(LIMIT))
_wanted = _c.id == bindparam("wanted", type_=STRING)
_LOCK = Statement(select(_c.id).where(_wanted, _of_tenant, _is_anybodys).with_for_update())
_IS_UNTOUCHED = Statement(select(_c.id).where(_wanted, *_is_due, _is_idle))
# Told to whoever is told of events, if anybody is: see `outbox`.
_TELL = Statement(
    insert(tables.event_removals).from_select(
        ["conversation_id", "tenant", "owner"],
        select(_c.id, _c.tenant, _c.owner).join_from(_table, tables.event_publisher, text(IS_WANTED)).where(_wanted),
    )
)
_HIDE = Statement(update(_table).where(_wanted).values(_HIDDEN))
_STOP = Statement(
    delete(_runs)
    .where(_runs.c.conversation_id == parameter(_runs.c.conversation_id), _runs.c.state.not_in(_OVER))
    .returning(_runs.c.id)
)
_FIRST = Statement(select(_c.id).where(_of_tenant, _is_buried).order_by(_c.id).limit(literal_column("1")))
_DELETE = Statement(delete(_table).where(_c.id == parameter(_c.id), _is_buried).returning(_c.id))
_ANY = Statement(
    select(_c.tenant)
    .where(_is_buried, _c.tenant > bindparam("after", type_=STRING))
    .order_by(_c.tenant, _c.id)
    .limit(literal_column("1"))
)

_HOLDINGS: Final = [
    delete_some(table, table.c.conversation_id == bindparam("conversation_id", type_=STRING))
    for table in reversed(tables.METADATA.sorted_tables)
    # That a conversation is gone outlives it until it is told.
    if "conversation_id" in table.c and table is not tables.event_removals
]
_WITH_CONTENTS: Final = [tables.METADATA.tables[name] for name, declared in PERSONAL_DATA.items() if declared.contents]
_BURIED_CONTENTS: Final = [
    Statement(
        select(table.c.id)
        .select_from(table.join(_table, table.c.conversation_id == _c.id))
        .where(_of_tenant, _is_buried)
        .limit(LIMIT)
    )
    for table in _WITH_CONTENTS
    if "conversation_id" in table.c
]
_FORGET_CONTENTS: Final = [
    Statement(delete(table).where(table.c.id == parameter(table.c.id)).returning(table.c.id))
    for table in _WITH_CONTENTS
]


async def bury_of(executor: Executor, owner: Owner, *, limit: int) -> Buried:
    """Bury some conversations of a user."""
    rows = await executor.fetch(_OF_USER, {"tenant": owner.tenant, "user": owner.user, "limit": limit})
    names = {"tenant": owner.tenant}
    return await _buried(executor, [row[0] for row in rows if await _locked(executor, row[0], names)])


async def untouched(
    executor: Executor, tenant: str, before: datetime, *, archived_only: bool, limit: int
) -> list[ConversationId]:
    """Conversations of a tenant in which nothing happened since a moment and nothing goes on."""
    wanted = {"tenant": tenant, "before": micros(before), "archived_only": int(archived_only), "limit": limit}
    return [row[0] for row in await executor.fetch(_UNTOUCHED, wanted)]


async def bury_untouched(
    executor: Executor, tenant: str, found: Collection[ConversationId], before: datetime, *, archived_only: bool
) -> Buried:
    """Bury those of them of which that still holds."""
    names = {"tenant": tenant}
    due = {"before": micros(before), "archived_only": int(archived_only)}
    # Looked at again under the lock: somebody may have said something since.
    still = [
        conversation_id
        for conversation_id in sorted(found)
        if await _locked(executor, conversation_id, names)
        and await executor.fetch(_IS_UNTOUCHED, {**due, "wanted": conversation_id})
    ]
    return await _buried(executor, still)


async def buried_contents(executor: Executor, tenant: str, *, limit: int) -> list[FileId]:
    """Contents of files in buried conversations."""
    wanted = {"tenant": tenant, "limit": limit}
    return [row[0] for statement in _BURIED_CONTENTS for row in await executor.fetch(statement, wanted)]


async def forget_contents(executor: Executor, file_ids: list[FileId]) -> int:
    """Delete the rows of contents that are destroyed."""
    gone = 0
    for statement in _FORGET_CONTENTS:
        for file_id in file_ids:
            gone += len(await executor.fetch(statement, {"id": file_id}))
    return gone


async def dig(executor: Executor, tenant: str, *, limit: int) -> int:
    """Delete about so many rows of buried conversations; returns how many."""
    gone = 0
    while gone < limit:
        found = await executor.fetch(_FIRST, {"tenant": tenant})
        if not found:
            break
        gone += await _dug(executor, found[0][0], limit=limit - gone)
    return gone


async def tenant_with_graves(executor: Executor, after: str) -> str | None:
    """The next tenant with conversations that are buried and not deleted."""
    rows = await executor.fetch(_ANY, {"after": after})
    return str(rows[0][0]) if rows else None


async def _dug(executor: Executor, conversation_id: ConversationId, *, limit: int) -> int:
    """Delete what a conversation holds, and itself once that is nothing."""
    gone = 0
    for statement in _HOLDINGS:
        gone += len(
            await executor.fetch(statement, {"conversation_id": conversation_id, "limit": max(limit - gone, 1)})
        )
        if gone >= limit:
            return gone
    await executor.fetch(_DELETE, {"id": conversation_id})
    return gone + 1


async def _locked(executor: Executor, conversation_id: ConversationId, names: dict[str, str]) -> bool:
    """Whether it is still there; if so nobody changes it until this unit is over."""
    return bool(await executor.fetch(_LOCK, {**names, "wanted": conversation_id}))


async def _buried(executor: Executor, conversations: Sequence[ConversationId]) -> Buried:
    """Hide conversations and delete their runs that are not over: nobody shall take them up."""
    runs: list[Row] = []
    for conversation_id in conversations:
        await executor.fetch(_TELL, {"wanted": conversation_id})
        await executor.fetch(_HIDE, {"wanted": conversation_id})
        runs.extend(await executor.fetch(_STOP, {"conversation_id": conversation_id}))
    return Buried(tuple(conversations), tuple(row[0] for row in runs))
