"""How the rows of model calls are written and read."""

from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, bindparam, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from server.adapters.store import tables
from server.adapters.store.executor import Executor, Row
from server.adapters.store.json_codec import codec
from server.adapters.store.paging import LIMIT, OFFSET
from server.adapters.store.statement import Owned, Statement, found, owned, parameter
from server.adapters.store.times import micros, micros_or_none, moment, moment_or_none
from server.domain.principal import Owner
from server.domain.run import RunState
from server.domain.usage import AccountedCall, CallKind, ModelCall, Price, Spent

_table = tables.usage_calls
_c = _table.c
_PRICE: Final = codec(Price)
_CALL: Final = (
    *(_c.id, _c.kind, _c.conversation_id, _c.provider, _c.model, _c.started_at, _c.estimated_input, _c.most_output),
    *(_c.price, _c.run_id, _c.message_id, _c.key_id, _c.account, _c.expires_at),
)
_OUTCOME: Final = (_c.input_tokens, _c.output_tokens, _c.cached_tokens, _c.images, _c.cost, _c.is_estimated)
_zero: Final[ColumnElement[int]] = literal_column("0")
_one: Final[ColumnElement[int]] = literal_column("1")
IS_OPEN: Final = _c.settled == _zero

CONVERSATION = found(tables.conversations)
_add = insert(_table).on_conflict_do_nothing(index_elements=[_c.id])
_blank: Final[dict[str, Any]] = {column.name: _zero for column in _OUTCOME} | {"settled": _zero}
_given: Final[dict[str, Any]] = {
    column.name: parameter(column) for column in _c if column.name not in _blank and column.name != "settled"
}
ADD = Owned(_add.values({**_given, **_blank}))
_outcome: Final[dict[str, Any]] = {column.name: parameter(column, f"new_{column.name}") for column in _OUTCOME}
ADD_SETTLED = Owned(_add.values({**_given, **_outcome, "settled": _one}).returning(_c.id))
_this = _c.id == parameter(_c.id, "of_id")
CLOSE = owned(update(_table).where(_this, IS_OPEN).values({**_outcome, "settled": _one}).returning(_c.id), _table)
CORRECT = owned(update(_table).where(_this).values(_outcome), _table)
SETTLED = owned(select(*_OUTCOME).where(_c.id == parameter(_c.id)).with_for_update(), _table)
_open = select(*_CALL).where(IS_OPEN).order_by(_c.started_at, _c.id)
OPEN_OF_RUN = owned(_open.where(_c.run_id == parameter(_c.run_id), _c.expires_at.is_(None)), _table)
OPEN_IN = owned(_open.where(_c.conversation_id == parameter(_c.conversation_id)), _table)
OF_RUN = owned(
    select(*_CALL, *_OUTCOME)
    .where(_c.run_id == parameter(_c.run_id), _c.settled == _one)
    .order_by(_c.started_at, _c.id)
    .limit(LIMIT)
    .offset(OFFSET),
    _table,
)
_runs = tables.runs.c
_LAPSED = Statement(
    select(_c.tenant, _c.owner, *_CALL)
    .select_from(_table.outerjoin(tables.runs, _runs.id == _c.run_id))
    .where(
        IS_OPEN,
        _c.started_at < bindparam("begun_before", type_=BigInteger),
        or_(
            _c.expires_at <= bindparam("now", type_=BigInteger),
            # Of a run that is held no more its end, or who claims it, has settled what was stored then.
            _c.expires_at.is_(None) & or_(_runs.id.is_(None), _runs.state != literal_column(f"'{RunState.RUNNING}'")),
        ),
    )
    .order_by(_c.started_at, _c.id)
    .limit(LIMIT)
)


def call_values(call: ModelCall) -> dict[str, Any]:
    """The parameters of a new row, but for owner and outcome."""
    return {
        "id": call.id,
        "conversation_id": call.conversation_id,
        "run_id": call.run_id,
        "message_id": call.message_id,
        "kind": call.kind.value,
        "key_id": call.key_id or "",
        "account": call.account or "",
        "provider": call.provider,
        "model": call.model,
        "price": _PRICE.dumps(call.price) if call.price else None,
        "started_at": micros(call.started_at),
        "expires_at": micros_or_none(call.expires_at),
        "estimated_input": call.estimated_input,
        "most_output": call.most_output,
        "reserved_cost": call.cost(call.reserved) or 0,
    }


def outcome_values(spent: Spent, cost: int | None) -> dict[str, Any]:
    """The parameters of an outcome."""
    return {
        "new_input_tokens": spent.input_tokens,
        "new_output_tokens": spent.output_tokens,
        "new_cached_tokens": spent.cached_tokens,
        "new_images": spent.images,
        "new_cost": cost,
        "new_is_estimated": int(spent.is_estimated),
    }


def call_of(row: Row) -> ModelCall:
    """The call of a row."""
    call_id, kind, conversation_id, provider, model, started, estimated, most, price, *rest = row
    run_id, message_id, key_id, account, expires = rest
    return ModelCall(
        id=call_id,
        kind=CallKind(kind),
        conversation_id=conversation_id,
        provider=provider,
        model=model,
        started_at=moment(started),
        estimated_input=estimated,
        most_output=most,
        price=_PRICE.loads(price) if price else None,
        run_id=run_id,
        message_id=message_id,
        key_id=key_id or None,
        account=account or None,
        expires_at=moment_or_none(expires),
    )


def accounted_of(row: Row) -> AccountedCall:
    """A call and its outcome."""
    given, said, cached, images, cost, is_estimated = row[len(_CALL) :]
    spent = Spent(given, said, cached, images, bool(is_estimated))
    return AccountedCall(call_of(row[: len(_CALL)]), spent, cost)


async def lapsed_calls(executor: Executor, now: int, *, begun_before: int, limit: int) -> list[tuple[Owner, ModelCall]]:
    """Open calls of which nobody will tell the outcome any more, with their owners."""
    rows = await executor.fetch(_LAPSED, {"now": now, "begun_before": begun_before, "limit": limit})
    return [(Owner(tenant, owner), call_of(call)) for tenant, owner, *call in rows]
