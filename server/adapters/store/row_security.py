"""The second wall on PostgreSQL: policies by which a transaction sees only the rows of whom it was begun for.

Statements name tenant and owner by themselves; a policy is there for the one that does not. It compares a row with
settings that last as long as their transaction and are made by the query that begins it. A transaction without them,
or a session of whoever else connects, sees no row at all and stores none. Not a wall against whoever can send SQL of
his own: such a one can make settings, too. Roles with SUPERUSER or BYPASSRLS see everything.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from server.domain.principal import Owner

_TENANT: Final = "parley.tenant"
_OWNER: Final = "parley.owner"
_SERVICE: Final = "parley.service"
_READS: Final = "parley.reads"

AS_SERVICE: Final = f"SET LOCAL {_SERVICE} = 'on'"
"""For the service itself: leases, recovery, provisioning, credentials; and for migrations, which change all rows."""
READ_TENANT: Final = f"SET LOCAL {_READS} = 'tenant'"
"""The next statement of an owner's transaction looks at rows of others of the tenant, where the table allows that."""
READ_OWN: Final = f"SET LOCAL {_READS} = 'own'"


class Reach(StrEnum):
    """Whose rows of a table an owner's transaction may touch."""

    OWNER = "owner"
    """The owner's alone."""
    OWNER_READS_TENANT = "owner_reads_tenant"
    """Likewise; but a statement that says so may read those of the whole tenant."""
    TENANT = "tenant"
    """The tenant's: what its users see and do together, and their statements alone keep apart."""


def as_owner(owner: Owner) -> str:
    """What makes a transaction an owner's. Names must be as they are stored."""
    return f"SET LOCAL {_TENANT} = {_literal(owner.tenant)}; SET LOCAL {_OWNER} = {_literal(owner.user)}"


def policies(table: str, reach: Reach) -> Iterator[str]:
    """The statements that protect a table. Also its owner is bound, as whom the service usually works."""
    yield f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY'
    yield f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY'
    yield _policy(table, "service", f"{_setting(_SERVICE)} = 'on'")
    of_tenant = f"tenant = {_setting(_TENANT)}"
    if reach is Reach.TENANT:
        yield _policy(table, "tenants", of_tenant)
        return
    yield _policy(table, "owners", f"{of_tenant} AND owner = {_setting(_OWNER)}")
    if reach is Reach.OWNER_READS_TENANT:
        yield _policy(table, "tenant_reads", f"{of_tenant} AND {_setting(_READS)} = 'tenant'", command="SELECT")


def _policy(table: str, name: str, condition: str, *, command: str = "ALL") -> str:
    return f'CREATE POLICY {name} ON "{table}" FOR {command} USING ({condition})'


def _setting(name: str) -> str:
    # As a subquery it is looked up once a statement, not once a row, and leaves the planner's estimates alone. One that
    # nobody has made is null, and empty when an earlier transaction of the session had made it: neither names anybody.
    return f"(SELECT nullif(current_setting('{name}', true), ''))"


def _literal(text: str) -> str:
    """The text quoted for SQL, whatever the server's `standard_conforming_strings`."""
    quoted = text.replace("'", "''")
    return f"""E'{quoted.replace(chr(92), chr(92) * 2)}'""" if "\\" in quoted else f"'{quoted}'"
