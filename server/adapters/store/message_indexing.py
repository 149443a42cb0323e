"""Keeps the index of messages whole and clean, a bounded step at a time; what has been done so far stands in a row.

Messages that were stored before there was an index are indexed in the order of their ids. SQLite's index keeps words of
deleted messages until it is merged, all of it: that begins once something was deleted, and is repeated for what is
deleted meanwhile. PostgreSQL removes them itself, with the rows they belong to.
"""

from typing import Final

from sqlalchemy import BigInteger, Integer, bindparam, column, func, insert, literal_column, select, table, update

from server.adapters.store import tables
from server.adapters.store.columns import STRING
from server.adapters.store.dialects import SQLITE
from server.adapters.store.executor import Executor, Row
from server.adapters.store.message_words import ADD_WORDS_OF_ANYBODY, words_of
from server.adapters.store.paging import LIMIT
from server.adapters.store.statement import Statement
from server.domain.principal import Owner

_whole = tuple(column(name, BigInteger) for name in ("removed", "removing"))
_state = table("message_index_state", column("id", Integer), column("indexed", STRING), column("last", STRING), *_whole)
_c = _state.c
_the_one = _c.id == literal_column("1")
_message = tables.messages.c
_READ = Statement(select(_c.indexed, _c.last, _c.removed, _c.removing).where(_the_one))
_LOCK = Statement(select(_c.indexed, _c.last, _c.removed, _c.removing).where(_the_one).with_for_update())
_INDEXED = Statement(update(_state).where(_the_one).values(indexed=bindparam("upto", type_=STRING)))
_REMOVING = Statement(
    update(_state)
    .where(_the_one)
    .values(removed=_c.removed - bindparam("gone", type_=BigInteger), removing=bindparam("going", type_=BigInteger))
)
_COLUMNS: Final = ("tenant", "owner", "id", "conversation_id", "role", "model", "created_at", "content")
_NEXT = Statement(
    select(*(_message[name] for name in _COLUMNS))
    .where(_message.id > bindparam("after", type_=STRING), _message.id <= bindparam("last", type_=STRING))
    .order_by(_message.id)
    .limit(LIMIT)
)
_fts5 = table("message_index", column("message_index", STRING), column("rank", BigInteger))
# Held apart from the statements that every database understands.
_MERGE: Final = {
    SQLITE.name: Statement(
        insert(_fts5).values(message_index=literal_column("'merge'"), rank=bindparam("pages", type_=BigInteger))
    )
}
_CHANGES = {SQLITE.name: Statement(select(func.total_changes()))}
_NOTHING_DONE: Final = 2
"""A merge that changes fewer rows than this has had nothing to do, says SQLite."""


async def index_is_whole(executor: Executor) -> bool:
    """Whether every message is indexed."""
    indexed, last, *_ = await _one(executor, _READ)
    return bool(indexed >= last)


async def index_older(executor: Executor, *, limit: int) -> bool:
    """Index some messages of before; returns whether there may be more."""
    indexed, last, *_ = await _one(executor, _LOCK)
    if indexed >= last:
        return False
    rows = await executor.fetch(_NEXT, {"after": indexed, "last": last, "limit": limit})
    messages = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    found = [words_of(Owner(each["tenant"], each["owner"]), each) for each in messages]
    worded = [each for each in found if each is not None]
    if worded:
        await executor.execute_many(ADD_WORDS_OF_ANYBODY, worded)
    is_over = len(messages) < limit
    await executor.fetch(_INDEXED, {"upto": last if is_over else messages[-1]["id"]})
    return not is_over


async def index_needs_cleaning(executor: Executor) -> bool:
    """Whether words of deleted messages are left."""
    *_, removed, _removing = await _one(executor, _READ)
    return bool(removed)


async def clean_index(executor: Executor, *, effort: int) -> bool:
    """Merge some pages; returns whether there may be more to merge."""
    merge, changes = _MERGE.get(executor.dialect.name), _CHANGES.get(executor.dialect.name)
    *_, removed, removing = await _one(executor, _LOCK)
    if merge is None or changes is None or not removed:
        return False
    before = await _one_number(executor, changes)
    # A negative number begins a merge of everything, a positive one goes on with it.
    await executor.fetch(merge, {"pages": effort if removing else -effort})
    is_over = await _one_number(executor, changes) - before < _NOTHING_DONE
    if is_over:
        await executor.fetch(_REMOVING, {"gone": removing, "going": 0})
    elif not removing:
        await executor.fetch(_REMOVING, {"gone": 0, "going": removed})
    return not is_over or removed > removing


async def _one(executor: Executor, statement: Statement) -> Row:
    return (await executor.fetch(statement, {}))[0]


async def _one_number(executor: Executor, statement: Statement) -> int:
    return int((await _one(executor, statement))[0])
