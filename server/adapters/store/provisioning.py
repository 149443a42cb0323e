"""How users and the default organizations of their tenants come into being."""

from datetime import datetime
from typing import Final

from sqlalchemy import literal_column, select
from sqlalchemy.dialects.postgresql import insert

from server.adapters.store import members, tables
from server.adapters.store.erasures import refuse_the_erased
from server.adapters.store.executor import Executor
from server.adapters.store.statement import Statement, parameter
from server.adapters.store.times import micros
from server.domain.ids import default_organization_id
from server.domain.organization import Member, MemberRole
from server.domain.principal import Owner

_DEFAULT_NAME: Final = "Default"
_membership = tables.memberships.c

_ADD_USER = Statement(insert(tables.users).on_conflict_do_nothing())
_ADD_ORGANIZATION = Statement(insert(tables.organizations).on_conflict_do_nothing())
_ADD_MEMBERSHIP = Statement(insert(tables.memberships).on_conflict_do_nothing())
_FIND = Statement(
    select(*members.COLUMNS).where(
        _membership.tenant == parameter(_membership.tenant),
        _membership.owner == parameter(_membership.owner),
        _membership.organization_id == parameter(_membership.organization_id),
    )
)
_ANY_MEMBER = Statement(
    select(literal_column("1"))
    .where(_membership.organization_id == parameter(_membership.organization_id))
    .limit(literal_column("1"))
)


async def provision(executor: Executor, owner: Owner, now: datetime) -> None:
    """Make sure that the user, the tenant's default organization and the user's membership of it exist. Raises
    `UserBeingErased`."""
    organization_id = default_organization_id(owner.tenant)
    # Of two first users only one may become Owner.
    await executor.lock_name(f"provision\x1f{owner.tenant}")
    await refuse_the_erased(executor, owner)
    has_members = await executor.fetch(_ANY_MEMBER, {"organization_id": organization_id})
    names = {"tenant": owner.tenant, "owner": owner.user, "created_at": micros(now)}
    await executor.fetch(_ADD_USER, names)
    await executor.fetch(_ADD_ORGANIZATION, {**names, "id": organization_id, "name": _DEFAULT_NAME})
    role = MemberRole.MEMBER if has_members else MemberRole.OWNER
    await executor.fetch(
        _ADD_MEMBERSHIP, {**names, "organization_id": organization_id, "role": role.value, "active": 1}
    )


async def find_member(executor: Executor, owner: Owner) -> Member | None:
    """What the user is in the tenant's default organization. Raises `UserBeingErased`."""
    await refuse_the_erased(executor, owner)
    names = {"tenant": owner.tenant, "owner": owner.user, "organization_id": default_organization_id(owner.tenant)}
    rows = await executor.fetch(_FIND, names)
    return members.member_of(rows[0]) if rows else None
