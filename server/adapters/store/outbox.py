"""The outbox: unpublished events and deletions, and the lease of whoever publishes them.

Why a mark on each event and no cursor over all of them. A cursor needs an order in which nothing turns up behind it,
and numbers that are drawn inside transactions give none: the one that drew the lower number may commit last, and a
reader that went past would never see it. Waiting for every older transaction instead lets one slow transaction, on
PostgreSQL even one of another database, hold up everybody's events. Within a conversation there is such an order:
whoever appends holds the conversation's row from numbering to commit, so sequences become visible one after the other.
A mark on the event needs no more than that. It is set in the very insert, costs no round trip and nothing where nobody
wants events, and what is left to publish is an index of exactly that, however long the log is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from server.adapters.store import events, tables
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Executor
from server.adapters.store.paging import LIMIT
from server.adapters.store.predicates import IS_BURIED, IS_UNPUBLISHED, IS_WANTED
from server.adapters.store.statement import Statement, parameter
from server.adapters.store.times import micros, moment
from server.domain.ids import ConversationId, WorkerId
from server.domain.outbox import Backlog, Outlet, Place, Removal, Span, Unpublished
from server.domain.principal import Owner

# More than this need not be counted to know that much is left.
_COUNTED: Final = 100_000

_event = tables.run_events.c
_publisher = tables.event_publisher
_p = _publisher.c
_removal = tables.event_removals.c
_me = bindparam("publisher", type_=STRING)
_NAME: Final = parameter(_p.name)
_the_row = _p.name == _NAME
_is_mine = (_the_row, _p.worker == _me, _p.epoch == bindparam("of_epoch", type_=BigInteger))
_wanted = bindparam("wanted", type_=BigInteger)

_WANT = Statement(
    insert(_publisher)
    .values(name=_NAME, epoch=literal_column("0"), lease_until=literal_column("0"))
    .values(worker=null(), wanted_until=_wanted)
    .on_conflict_do_update(index_elements=["name"], set_={"wanted_until": _wanted})
    .returning(_p.epoch)
)
_HOLD = Statement(
    update(_publisher)
    .where(
        _the_row,
        or_(_p.worker == _me, _p.worker.is_(None), _p.lease_until <= bindparam("now", type_=BigInteger)),
    )
    .values(
        worker=_me,
        epoch=case((_p.worker == _me, _p.epoch), else_=_p.epoch + literal_column("1")),
        lease_until=bindparam("until", type_=BigInteger),
        wanted_until=_wanted,
    )
    .returning(_p.epoch)
)
_RELEASE = Statement(update(_publisher).where(_the_row, _p.worker == _me).values(worker=null()).returning(_p.epoch))
# Takes the row's lock: whoever would take the outbox waits until the marks are committed.
_FENCE = Statement(update(_publisher).where(*_is_mine).values(lease_until=_p.lease_until).returning(_p.epoch))
_FORGET_WISH = Statement(
    delete(_publisher).where(text(IS_WANTED), _p.wanted_until < bindparam("now", type_=BigInteger)).returning(_p.epoch)
)

_is_unpublished = text(f"run_events.{IS_UNPUBLISHED}")
# What is buried is deleted soon, and nobody's any more.
_is_there = text(f"NOT conversations.{IS_BURIED}")
_place = tuple_(_event.conversation_id, _event.sequence)
_behind = _place > tuple_(bindparam("conversation", type_=STRING), bindparam("after", type_=BigInteger))
_logged: Select[Any] = select(*events.COLUMNS, _event.tenant, _event.owner).select_from(events.LOGGED)
_UNPUBLISHED = Statement(
    _logged.where(_is_unpublished, _is_there, _behind).order_by(_event.conversation_id, _event.sequence).limit(LIMIT)
)
_MARK = Statement(
    update(tables.run_events)
    .where(
        _event.conversation_id == bindparam("conversation", type_=STRING),
        _event.sequence.between(bindparam("first", type_=BigInteger), bindparam("last", type_=BigInteger)),
        text(IS_UNPUBLISHED),
    )
    .values(unpublished=literal_column("0"))
)
_some = select(_event.created_at).where(_is_unpublished).limit(literal_column(str(_COUNTED))).subquery()
_counts: tuple[ColumnElement[Any], ...] = (literal_column("count(*)"), func.min(_some.c.created_at))
_BACKLOG = Statement(select(*_counts).select_from(_some))

_REMOVALS = Statement(
    select(_removal.tenant, _removal.owner, _removal.conversation_id)
    .order_by(_removal.tenant, _removal.owner, _removal.conversation_id)
    .limit(LIMIT)
)
_FORGET_REMOVAL = Statement(
    delete(tables.event_removals).where(
        _removal.tenant == parameter(_removal.tenant),
        _removal.owner == parameter(_removal.owner),
        _removal.conversation_id == parameter(_removal.conversation_id),
    )
)


async def want_events(executor: Executor, until: datetime, *, outlet: Outlet) -> None:
    """Have events kept from now on."""
    await executor.fetch(_WANT, {"name": outlet, "wanted": micros(until)})


async def hold_outbox(
    executor: Executor, publisher: WorkerId, *, now: datetime, until: datetime, wanted_until: datetime, outlet: Outlet
) -> int | None:
    """Take or renew the lease; returns its epoch."""
    times = {"now": micros(now), "until": micros(until), "wanted": micros(wanted_until)}
    rows = await executor.fetch(_HOLD, {"name": outlet, "publisher": publisher, **times})
    return int(rows[0][0]) if rows else None


async def release_outbox(executor: Executor, publisher: WorkerId, *, outlet: Outlet) -> None:
    """Let the publisher's lease end now."""
    await executor.fetch(_RELEASE, {"name": outlet, "publisher": publisher})


async def unpublished(executor: Executor, after: Place, *, limit: int) -> list[Unpublished]:
    """Unpublished events behind a place."""
    values = {"conversation": after.conversation_id, "after": after.sequence, "limit": limit}
    rows = await executor.fetch(_UNPUBLISHED, values)
    return [Unpublished(Owner(*row[-2:]), events.event_of(row[:-2])) for row in rows]


async def mark_published(executor: Executor, spans: Sequence[Span], *, publisher: WorkerId, epoch: int) -> bool:
    """Mark events; `False` when the publisher no longer holds that epoch."""
    return await mark(executor, _MARK, spans, outlet=Outlet.PUBLISHER, publisher=publisher, epoch=epoch)


async def mark(
    executor: Executor, statement: Statement, spans: Sequence[Span], *, outlet: Outlet, publisher: WorkerId, epoch: int
) -> bool:
    """Execute a statement for each stretch of a log; `False` when the publisher no longer holds that epoch."""
    marks = [{"conversation": span.conversation_id, "first": span.first, "last": span.last} for span in spans]
    return await _fenced(executor, statement, marks, outlet=outlet, publisher=publisher, epoch=epoch)


async def removals(executor: Executor, *, limit: int) -> list[Removal]:
    """Deletions that are not told yet."""
    rows = await executor.fetch(_REMOVALS, {"limit": limit})
    return [Removal(Owner(tenant, owner), ConversationId(conversation)) for tenant, owner, conversation in rows]


async def forget_removals(executor: Executor, gone: Sequence[Removal], *, publisher: WorkerId, epoch: int) -> bool:
    """Drop deletions that were told; `False` when the publisher no longer holds that epoch."""
    told = [
        {"tenant": removal.owner.tenant, "owner": removal.owner.user, "conversation_id": removal.conversation_id}
        for removal in gone
    ]
    return await _fenced(executor, _FORGET_REMOVAL, told, outlet=Outlet.PUBLISHER, publisher=publisher, epoch=epoch)


async def backlog(executor: Executor) -> Backlog:
    """How much waits, to a bound."""
    [(count, oldest)] = await executor.fetch(_BACKLOG, {})
    return Backlog(int(count), None if oldest is None else moment(oldest))


async def forget_wish(executor: Executor, now: datetime) -> bool:
    """Stop keeping events that nobody has wanted for long."""
    return bool(await executor.fetch(_FORGET_WISH, {"now": micros(now)}))


async def _fenced(
    executor: Executor,
    statement: Statement,
    values: Sequence[Mapping[str, Any]],
    *,
    outlet: Outlet,
    publisher: WorkerId,
    epoch: int,
) -> bool:
    if not await executor.fetch(_FENCE, {"name": outlet, "publisher": publisher, "of_epoch": epoch}):
        return False
    await executor.execute_many(statement, values)
    return True
