"""Members of organizations: how their rows are read and written, and the service's own access to them."""

from typing import Any, Final

from sqlalchemy import Select, bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from server.adapters.store import tables
from server.adapters.store.executor import Executor, Row
from server.adapters.store.statement import Parameters, Statement, parameter
from server.adapters.store.times import micros, moment
from server.domain.errors import UserNotFound
from server.domain.ids import OrganizationId
from server.domain.organization import Member, MemberRole, Organization

_table = tables.memberships
_c = _table.c
_organization = tables.organizations.c
_user = tables.users.c
COLUMNS: Final = (_c.owner, _c.role, _c.active, _c.created_at)
_KEY: Final = (_c.tenant, _c.owner, _c.organization_id)
_ORGANIZATION: Final = (_organization.id, _organization.name, _organization.created_at)

# Only who is a user of the tenant becomes a member.
NEW_MEMBER: Final = select(
    _user.tenant,
    _user.owner,
    parameter(_c.organization_id),
    parameter(_c.role),
    parameter(_c.active),
    parameter(_c.created_at),
).where(_user.tenant == bindparam("tenant"), _user.owner == parameter(_user.owner, "member"))


def upsert(source: Select[Any]) -> ReturningInsert[Any]:
    """Store the members that `source` selects, or overwrite what may change of them; returns a row for each."""
    new = insert(_table).from_select([*(column.name for column in _KEY), "role", "active", "created_at"], source)
    changed = {"role": new.excluded.role, "active": new.excluded.active}
    return new.on_conflict_do_update(index_elements=_KEY, set_=changed).returning(_c.owner)


_OF_TENANT = Statement(
    select(*_ORGANIZATION, *COLUMNS)
    .select_from(_table.join(tables.organizations, _organization.id == _c.organization_id))
    .where(_c.tenant == bindparam("tenant"))
    .order_by(_organization.name, _c.owner)
)
_LOCK_BY_NAME = Statement(
    select(*_ORGANIZATION)
    .where(_organization.tenant == bindparam("tenant"), _organization.name == parameter(_organization.name))
    .with_for_update()
)
_MEMBERS = Statement(select(*COLUMNS).where(_c.organization_id == parameter(_c.organization_id)).order_by(_c.owner))
_SET = Statement(upsert(NEW_MEMBER))


async def members_of_tenant(executor: Executor, tenant: str) -> list[tuple[Organization, Member]]:
    """Every member of every organization of a tenant."""
    rows = await executor.fetch(_OF_TENANT, {"tenant": tenant})
    return [(_organization_of(row[:3]), member_of(row[3:])) for row in rows]


async def lock_organization(executor: Executor, tenant: str, name: str) -> tuple[Organization, list[Member]] | None:
    """The organization of that name, locked, with its members."""
    rows = await executor.fetch(_LOCK_BY_NAME, {"tenant": tenant, "name": name})
    if not rows:
        return None
    organization = _organization_of(rows[0])
    members = await executor.fetch(_MEMBERS, {"organization_id": organization.id})
    return organization, [member_of(row) for row in members]


async def set_member(executor: Executor, tenant: str, organization_id: OrganizationId, member: Member) -> None:
    """Store a member or overwrite it. Raises `UserNotFound`."""
    if not await executor.fetch(_SET, {"tenant": tenant, **values(organization_id, member)}):
        raise UserNotFound(member.user)


def values(organization_id: OrganizationId, member: Member) -> Parameters:
    """The parameters of `upsert`, but for the tenant."""
    return {
        "organization_id": organization_id,
        "member": member.user,
        "role": member.role.value,
        "active": int(member.is_active),
        "created_at": micros(member.created_at),
    }


def member_of(row: Row) -> Member:
    """The member of a row of `COLUMNS`."""
    user, role, active, created = row
    return Member(user, MemberRole(role), bool(active), moment(created))


def _organization_of(row: Row) -> Organization:
    organization_id, name, created = row
    return Organization(organization_id, name, moment(created))
