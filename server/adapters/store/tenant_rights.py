"""What an administrator of a tenant sets going: erasures of its users, and how long it keeps what.

Its statements are narrowed to the tenant, not to the owner; who may use them, the scope says.
"""

from datetime import datetime

from sqlalchemy import bindparam, insert, literal_column, select, text

from server.adapters.store import erasures, tables, tenant_retention
from server.adapters.store.columns import STRING
from server.adapters.store.paging import LIMIT, list_parameters, listed_after
from server.adapters.store.predicates import IS_UNDER_WAY
from server.adapters.store.scope import Scope
from server.adapters.store.statement import TENANT, Owned, parameter
from server.adapters.store.times import micros
from server.domain.erasure import Erasure
from server.domain.errors import UserNotFound
from server.domain.ids import ErasureId
from server.domain.retention import Retention
from server.ports.store import ListPosition

_table = tables.erasures
_c = _table.c
_users = tables.users.c
_of_tenant = _c.tenant == bindparam(TENANT)
_user = bindparam("user", type_=STRING)

_UNDER_WAY = Owned(select(*erasures.COLUMNS).where(_of_tenant, _c.owner == _user, text(IS_UNDER_WAY)))
_GET = Owned(select(*erasures.COLUMNS).where(_of_tenant, _c.id == parameter(_c.id)))
_PAGE = Owned(
    select(*erasures.COLUMNS)
    .where(_of_tenant, listed_after(_c.requested_at, _c.id))
    .order_by(_c.requested_at.desc(), _c.id.desc())
    .limit(LIMIT)
)
# The row is about another user than the one who adds it.
_ADD = Owned(insert(_table).values({column: _user if column is _c.owner else parameter(column) for column in _c}))
_IS_USER = Owned(
    select(literal_column("1"))
    .select_from(tables.users)
    .where(_users.tenant == bindparam(TENANT), _users.owner == _user)
)
_RETENTION = Owned(select(*tenant_retention.DAYS).where(tables.retention.c.tenant == bindparam(TENANT)))
_SET_RETENTION = Owned(tenant_retention.SET.core)


class StoredTenantRights:
    """See `ports.erasures.TenantRights`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def begin_erasure(self, erasure: Erasure) -> Erasure:
        """Store an erasure, or find the one that is under way. Raises `UserNotFound`."""
        user = erasure.user.user
        await self._scope.lock_name("erasure", user)
        known = await self._scope.fetch_one(_UNDER_WAY, user=user)
        if known is not None:
            return erasures.erasure_of(known)
        if await self._scope.fetch_one(_IS_USER, user=user) is None:
            raise UserNotFound(user)
        await self._scope.fetch(
            _ADD,
            user=user,
            id=erasure.id,
            pseudonym=erasure.pseudonym,
            state=erasure.state.value,
            requested_by=erasure.requested_by,
            requested_at=micros(erasure.requested_at),
            ended_at=None,
            conversations=0,
            rows=0,
            lease_worker=None,
            lease_until=0,
        )
        return erasure

    async def erasure(self, erasure_id: ErasureId) -> Erasure | None:
        """The one of that id."""
        row = await self._scope.fetch_one(_GET, id=erasure_id)
        return None if row is None else erasures.erasure_of(row)

    async def erasures(self, *, limit: int, after: ListPosition | None) -> list[Erasure]:
        """The newest first."""
        return [erasures.erasure_of(row) for row in await self._scope.fetch(_PAGE, **list_parameters(limit, after))]

    async def retention(self) -> Retention:
        """How long the tenant keeps what."""
        row = await self._scope.fetch_one(_RETENTION)
        return Retention() if row is None else Retention(*row)

    async def set_retention(self, retention: Retention, *, now: datetime) -> None:
        """Store what the tenant says now."""
        await self._scope.fetch(
            _SET_RETENTION,
            conversation_days=retention.conversation_days,
            archived_days=retention.archived_days,
            event_days=retention.event_days,
            audit_days=retention.audit_days,
            updated_at=micros(now),
            swept_at=0,
            lease_worker=None,
            lease_until=0,
        )
