"""The sums of what was used: how they grow, and how they are read."""

from datetime import date
from typing import Any, Final
from zlib import crc32

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, case, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import insert

from server.adapters.store import tables
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Row
from server.adapters.store.keys import day_number, day_of
from server.adapters.store.paging import LIMIT
from server.adapters.store.statement import TENANT, OfTenant, Owned, owned, parameter
from server.domain.usage import ModelCall, Total, UsageFilter, UsageRow

_days = tables.usage_days
_d = _days.c
_calls = tables.usage_calls
_c = _calls.c
_SHARDS: Final = 8
_MICROSECONDS_A_DAY: Final = 86_400_000_000
_COUNTS: Final = (
    *(_d.calls, _d.input_tokens, _d.output_tokens, _d.cached_tokens, _d.images, _d.cost, _d.unpriced_calls),
    _d.estimated_calls,
)
_NONE: Final = 2**31
_NAMES: Final = (_d.owner, _d.key_id, _d.provider, _d.model)

_new_day = insert(_days)
ADD_DAY = Owned(
    _new_day.on_conflict_do_update(
        index_elements=list(_days.primary_key.columns),
        set_={count.name: count + _new_day.excluded[count.name] for count in _COUNTS},
    )
)
_sums = [func.sum(count) for count in _COUNTS]


def _text(name: str) -> Any:
    return bindparam(name, type_=STRING)


def _is(column: Any, name: str) -> ColumnElement[bool]:
    """The column equals the parameter, of which an empty text stands for any."""
    return or_(_text(name) == "", column == _text(name))


def _behind() -> ColumnElement[bool]:
    """Behind the parameters, by day (descending), then by the names."""
    day = bindparam("after_day", type_=BigInteger)
    steps = [_d.day < day]
    same: ColumnElement[bool] = _d.day == day
    for name in _NAMES:
        after = _text(f"after_{name.name}")
        steps.append(and_(same, name > after))
        same = and_(same, name == after)
    return or_(*steps)


def _rows() -> Select[Any]:
    return (
        select(_d.day, *_NAMES, *_sums)
        .where(_is(_d.key_id, "wanted_key"), _is(_d.model, "wanted_model"), _is(_d.owner, "wanted_user"))
        .where(_d.day >= bindparam("first", type_=BigInteger), _d.day <= bindparam("last", type_=BigInteger))
        .where(_behind())
        .group_by(_d.day, *_NAMES)
        .order_by(_d.day.desc(), *_NAMES)
        .limit(LIMIT)
    )


ROWS_OF_OWNER = owned(_rows(), _days)
# Shows a user what others of the tenant used; who may see it, the scope says.
ROWS_OF_TENANT = OfTenant(_rows().where(_d.tenant == bindparam(TENANT)))
# Whose key it is the use case knows; it may have acted for others.
KEY_DAYS = OfTenant(
    select(_d.day, *_sums)
    .where(_d.tenant == bindparam(TENANT), _d.key_id == parameter(_d.key_id))
    .where(_d.day >= bindparam("since", type_=BigInteger))
    .group_by(_d.day)
    .order_by(_d.day)
)
_is_unpriced = case((_c.cost.is_(None), literal_column("1")), else_=literal_column("0"))
_total = (
    func.count(),
    *(func.coalesce(func.sum(column), 0) for column in (_c.input_tokens, _c.output_tokens, _c.cached_tokens)),
    *(func.coalesce(func.sum(column), 0) for column in (_c.images, _c.cost, _is_unpriced, _c.is_estimated)),
)
_settled = _c.settled == literal_column("1")
TOTAL_OF_RUN = owned(select(*_total).select_from(_calls).where(_c.run_id == parameter(_c.run_id), _settled), _calls)
TOTALS_OF_CONVERSATION = owned(
    select(func.min(_c.started_at), _c.owner, literal_column("''"), _c.provider, _c.model, *_total)
    .where(_c.conversation_id == parameter(_c.conversation_id), _settled)
    .group_by(_c.owner, _c.provider, _c.model)
    .order_by(_c.provider, _c.model),
    _calls,
)


def shard_of(call: ModelCall) -> int:
    """Which of the rows of its day a call is added to: the same one for the whole conversation, whose units follow each
    other anyway; any for a call of none."""
    return crc32((call.conversation_id or call.id).encode()) % _SHARDS


def day_values(call: ModelCall, shard: int) -> dict[str, Any]:
    """What a call's day is found by, but for its owner."""
    named = {"key_id": call.key_id or "", "provider": call.provider, "model": call.model}
    return {**named, "day": day_number(call.day), "shard": shard}


def since_values(since: date) -> dict[str, Any]:
    """The parameters of `KEY_DAYS`, but for the key."""
    return {"since": day_number(since)}


def wanted_values(wanted: UsageFilter, after: UsageRow | None) -> dict[str, Any]:
    """The parameters of a list, but for its length."""
    return {
        "wanted_key": wanted.key_id or "",
        "wanted_model": wanted.model or "",
        "wanted_user": wanted.user or "",
        "first": day_number(wanted.first) if wanted.first else -_NONE,
        "last": day_number(wanted.last) if wanted.last else _NONE,
        "after_day": day_number(after.day) if after else _NONE,
        "after_owner": after.user if after else "",
        "after_key_id": (after.key_id or "") if after else "",
        "after_provider": after.provider if after else "",
        "after_model": after.model if after else "",
    }


def row_of(row: Row) -> UsageRow:
    """A row of a list."""
    day, user, key_id, provider, model, *counts = row
    return UsageRow(day_of(day), user, key_id or None, provider, model, total_of(counts))


def model_row_of(row: Row) -> UsageRow:
    """A row of `TOTALS_OF_CONVERSATION`."""
    started, *rest = row
    return row_of([started // _MICROSECONDS_A_DAY, *rest])


def key_day_of(row: Row) -> tuple[date, Total]:
    """A row of `KEY_DAYS`."""
    day, *counts = row
    return day_of(day), total_of(counts)


def total_of(counts: Row) -> Total:
    """The counts of a row, which PostgreSQL gives as decimals where they are sums."""
    return Total(*map(int, counts))
