"""What budgets are held against: what was spent, in few rows a day whatever the tenant does, and what is reserved."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, bindparam, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import insert

from server.adapters.store import tables
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Row
from server.adapters.store.keys import day_number
from server.adapters.store.statement import TENANT, OfTenant, Owned, parameter
from server.adapters.store.usage_calls import IS_OPEN
from server.domain.ids import KeyId
from server.domain.spending import Spending, first_of_month
from server.domain.usage import ModelCall

_table = tables.spending
_s = _table.c
_c = tables.usage_calls.c
_now = bindparam("now", type_=BigInteger)
_TENANTS: Final = ""
"""The account of the whole tenant."""

_nobody: Final[ColumnElement[str]] = literal_column("''")
_given = {column.name: parameter(column) for column in _s} | {"owner": _nobody}
_new = insert(_table).values(_given)
# Rows of the tenant, not of a user: they say what was spent, and nothing of anybody.
ADD = Owned(
    _new.on_conflict_do_update(
        index_elements=list(_table.primary_key.columns),
        set_={"tokens": _s.tokens + _new.excluded.tokens, "cost": _s.cost + _new.excluded.cost},
    )
)
SPENT = Owned(
    select(_s.day, func.sum(_s.tokens), func.sum(_s.cost))
    .where(_s.tenant == bindparam(TENANT), _s.account == parameter(_s.account))
    .where(_s.day >= bindparam("since", type_=BigInteger))
    .group_by(_s.day)
)
# What a worker has begun counts until its outcome is stored, or whoever takes the run over has settled it.
RESERVED = OfTenant(
    select(func.sum(_c.estimated_input + _c.most_output), func.sum(_c.reserved_cost))
    .where(_c.tenant == bindparam(TENANT), IS_OPEN, or_(_c.expires_at.is_(None), _c.expires_at > _now))
    .where(or_(bindparam("account", type_=STRING) == "", _c.account == bindparam("account", type_=STRING)))
)


def values(call: ModelCall, shard: int, tokens: int, cost: int) -> list[dict[str, Any]]:
    """The parameters of `ADD`, always in the order tenant, key: so nobody waits in a ring."""
    accounts = [_TENANTS, *([call.account] if call.account else [])]
    day = day_number(call.day)
    return [{"account": account, "day": day, "shard": shard, "tokens": tokens, "cost": cost} for account in accounts]


def month_values(account: KeyId | None, now: datetime) -> dict[str, Any]:
    """The parameters of `SPENT`."""
    return {"account": account or _TENANTS, "since": day_number(first_of_month(now.date()))}


def spending_of(spent: Sequence[Row], reserved: Sequence[Row], now: datetime) -> Spending:
    """What the rows of both come to."""
    today = day_number(now.date())
    tokens, cost = (reserved[0][0] or 0, reserved[0][1] or 0) if reserved else (0, 0)
    return Spending(
        tokens_today=sum(int(row[1]) for row in spent if row[0] == today),
        tokens_this_month=sum(int(row[1]) for row in spent),
        cost_today=sum(int(row[2]) for row in spent if row[0] == today),
        cost_this_month=sum(int(row[2]) for row in spent),
        tokens_reserved=int(tokens),
        cost_reserved=int(cost),
    )
