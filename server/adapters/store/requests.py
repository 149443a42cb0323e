"""Request ids of the transaction's owner."""

from datetime import datetime

from sqlalchemy import BigInteger, bindparam, delete, select

from server.adapters.store import tables
from server.adapters.store.scope import Scope
from server.adapters.store.statement import found, owned, owned_insert, parameter
from server.adapters.store.times import micros
from server.domain.errors import RunNotFound
from server.ports.store import RememberedRequest

_table = tables.requests
_c = _table.c

_FIND = owned(
    select(_c.fingerprint, _c.run_id).where(
        _c.request_id == parameter(_c.request_id), _c.created_at >= bindparam("not_before", type_=BigInteger)
    ),
    _table,
)
_FORGET = owned(delete(_table).where(_c.request_id == parameter(_c.request_id)), _table)
_RUN = found(tables.runs)
_REMEMBER = owned_insert(_table)


class StoredRequests:
    """See `ports.store.Requests`. A request id is forgotten with the run it made."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def find(self, request_id: str, *, not_before: datetime) -> RememberedRequest | None:
        """What was remembered under that id. While it is nothing, the id is locked against units that would bind it."""
        for _ in range(2):
            row = await self._scope.fetch_one(_FIND, request_id=request_id, not_before=micros(not_before))
            if row is not None:
                return RememberedRequest(*row)
            await self._scope.lock_name("request", request_id)
        return None

    async def remember(self, request_id: str, request: RememberedRequest, *, now: datetime) -> None:
        """Bind the id, replacing an outdated binding. Raises `RunNotFound`: the run comes first."""
        if not await self._scope.owns(_RUN, request.run_id):
            raise RunNotFound(request.run_id)
        await self._scope.fetch(_FORGET, request_id=request_id)
        await self._scope.fetch(
            _REMEMBER,
            request_id=request_id,
            run_id=request.run_id,
            fingerprint=request.fingerprint,
            created_at=micros(now),
        )
