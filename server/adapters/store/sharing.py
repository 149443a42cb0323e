"""What the members of an organization see together: the one place where membership enters a query."""

from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Select, Table, Update, bindparam, exists, literal_column

from server.adapters.store import tables
from server.adapters.store.statement import OWNER, TENANT, Owned

_Shared = TypeVar("_Shared", Select[Any], Update)

_mine = tables.memberships.alias("mine")
ACTIVE: Final[ColumnElement[int]] = literal_column("1")


def is_mine(organization_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the transaction's owner is an active member of an organization."""
    return exists().where(
        _mine.c[TENANT] == bindparam(TENANT),
        _mine.c[OWNER] == bindparam(OWNER),
        _mine.c.organization_id == organization_id,
        _mine.c.active == ACTIVE,
    )


def shared(statement: _Shared, table: Table) -> Owned:
    """The statement, narrowed to rows of `table` that belong to organizations of which the transaction's owner is an
    active member."""
    return Owned(statement.where(table.c[TENANT] == bindparam(TENANT), is_mine(table.c.organization_id)))
