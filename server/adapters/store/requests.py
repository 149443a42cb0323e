"""Request ids of the transaction's owner."""

from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import BigInteger, bindparam, delete, select

from server.adapters.store import tables
from server.adapters.store.json_codec import codec
from server.adapters.store.scope import Scope
from server.adapters.store.statement import found, owned, owned_insert, parameter
from server.adapters.store.times import micros
from server.domain.errors import ConversationNotFound, RunNotFound
from server.domain.ids import ConversationId
from server.ports.store import RememberedRequest

Result = TypeVar("Result")

_table = tables.requests
_c = _table.c

_FIND = owned(
    select(_c.fingerprint, _c.run_id).where(
        _c.request_id == parameter(_c.request_id), _c.created_at >= bindparam("not_before", type_=BigInteger)
    ),
    _table,
)
_RESULT = owned(select(_c.result).where(_c.request_id == parameter(_c.request_id)), _table)
_FORGET = owned(delete(_table).where(_c.request_id == parameter(_c.request_id)), _table)
_RUN = found(tables.runs)
_CONVERSATION = found(tables.conversations)
_REMEMBER = owned_insert(_table)


def _json(result: object) -> str:
    kind: type[Any] = type(result)
    return codec(kind).dumps(result)


class StoredRequests:
    """See `ports.store.Requests`. A request id is forgotten with the run it made, if it made one, and
    with the conversation that its result speaks of."""

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

    async def recall(self, request_id: str, result: type[Result]) -> Result:
        """What was remembered as the result of that id. Raises `LookupError` when there is none."""
        row = await self._scope.fetch_one(_RESULT, request_id=request_id)
        if row is None or row[0] is None:
            raise LookupError(f"the request {request_id!r} left no result")
        return codec(result).loads(row[0])

    async def remember(
        self,
        request_id: str,
        request: RememberedRequest,
        *,
        now: datetime,
        result: object | None = None,
        conversation_id: ConversationId | None = None,
    ) -> None:
        """Bind the id, replacing an outdated binding. Raises `RunNotFound` and `ConversationNotFound`: those come
        first."""
        if conversation_id is not None and not await self._scope.owns(_CONVERSATION, conversation_id):
            raise ConversationNotFound(conversation_id)
        if request.run_id is not None and not await self._scope.owns(_RUN, request.run_id):
            raise RunNotFound(request.run_id)
        await self._scope.fetch(_FORGET, request_id=request_id)
        await self._scope.fetch(
            _REMEMBER,
            request_id=request_id,
            run_id=request.run_id,
            fingerprint=request.fingerprint,
            result=None if result is None else _json(result),
            created_at=micros(now),
            conversation_id=conversation_id,
        )
