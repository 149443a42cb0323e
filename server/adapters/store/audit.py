"""The audit: records of the owner's tenant, and the service's own."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, insert, or_, select

from server.adapters.store import tables
from server.adapters.store.executor import Executor, Row
from server.adapters.store.paging import LIMIT, list_parameters, listed_after
from server.adapters.store.scope import Scope
from server.adapters.store.statement import TENANT, OfTenant, Statement, owned, owned_insert, parameter
from server.adapters.store.times import micros, moment
from server.domain.audit import Act, AuditFilter, AuditRecord, Deed
from server.ports.store import ListPosition

_table = tables.audit
_c = _table.c
_COLUMNS: Final = (
    *(_c.id, _c.tenant, _c.actor, _c.owner, _c.act, _c.object, _c.created_at, _c.request_id, _c.key_id, _c.outcome),
    *(_c.reason, _c.times),
)
_FOR_EVER: Final = 2**62


def _is(column: Any, name: str) -> ColumnElement[bool]:
    """The column equals the parameter, of which an empty text stands for any."""
    wanted = parameter(column, name)
    return or_(wanted == "", column == wanted)


def _page(base: Select[Any]) -> Select[Any]:
    return (
        base.where(_is(_c.actor, "wanted_actor"), _is(_c.owner, "wanted_subject"), _is(_c.act, "wanted_act"))
        .where(_is(_c.object, "wanted_object"), _is(_c.outcome, "wanted_outcome"))
        .where(listed_after(_c.created_at, _c.id))
        .where(_c.created_at >= bindparam("since", type_=BigInteger))
        .where(_c.created_at < bindparam("until", type_=BigInteger))
        .where(or_(bindparam("by_others", type_=BigInteger) == 0, _c.actor != _c.owner))
        .order_by(_c.created_at.desc(), _c.id.desc())
        .limit(LIMIT)
    )


_OF_OWNER = owned(_page(select(*_COLUMNS)), _table)
# The one list that shows a user what concerns others of the tenant; who may see it, the scope says.
_OF_TENANT = OfTenant(_page(select(*_COLUMNS)).where(_c.tenant == bindparam(TENANT)))
_ADD_OWN = owned_insert(_table)
_ADD = Statement(insert(_table))


class StoredAudit:
    """See `ports.audit.Audit`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def add(self, record: AuditRecord) -> None:
        """Store one, as the owner's."""
        await self._scope.fetch(_ADD_OWN, **_values(record))

    async def on_behalf_of_owner(
        self, wanted: AuditFilter, *, limit: int, after: ListPosition | None
    ) -> list[AuditRecord]:
        """What others did in the owner's name."""
        named = {**_wanted(wanted), "by_others": 1, **list_parameters(limit, after)}
        return _records(await self._scope.fetch(_OF_OWNER, **named))

    async def of_tenant(self, wanted: AuditFilter, *, limit: int, after: ListPosition | None) -> list[AuditRecord]:
        """Records of the whole tenant."""
        return _records(await self._scope.fetch(_OF_TENANT, **_wanted(wanted), **list_parameters(limit, after)))


async def add_audit(executor: Executor, record: AuditRecord) -> None:
    """Store a record as it is."""
    await executor.fetch(_ADD, {**_values(record), "tenant": record.tenant, "owner": record.subject})


def _wanted(wanted: AuditFilter) -> dict[str, Any]:
    return {
        "wanted_actor": wanted.actor or "",
        "wanted_subject": wanted.subject or "",
        "wanted_act": wanted.act or "",
        "wanted_object": wanted.object or "",
        "wanted_outcome": wanted.outcome or "",
        "since": micros(wanted.since) if wanted.since else 0,
        "until": micros(wanted.until) if wanted.until else _FOR_EVER,
        "by_others": int(wanted.by_others),
    }


def _values(record: AuditRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "actor": record.actor,
        "act": record.deed.act.value,
        "object": record.deed.object,
        "created_at": micros(record.created_at),
        "request_id": record.request_id,
        "key_id": record.key_id,
        "outcome": record.outcome,
        "reason": record.reason,
        "times": record.times,
    }


def _records(rows: Sequence[Row]) -> list[AuditRecord]:
    return [_record(row) for row in rows]


def _record(row: Row) -> AuditRecord:
    record_id, tenant, actor, subject, act, concerned, created, request_id, key_id, *result = row
    outcome, reason, times = result
    return AuditRecord(
        id=record_id,
        tenant=tenant,
        actor=actor,
        subject=subject,
        deed=Deed(Act(act), concerned),
        created_at=moment(created),
        request_id=request_id,
        key_id=key_id,
        outcome=outcome,
        reason=reason,
        times=times,
    )
