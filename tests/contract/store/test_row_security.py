"""The second wall: on PostgreSQL a transaction sees and changes the rows of its owner only, whatever it executes.

The service works as a role that owns its tables and is no superuser, as it does in all tests of the store.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Table, insert, text
from sqlalchemy.ext.asyncio import create_async_engine
from structlog.testing import capture_logs

from server.adapters.store import open_store
from server.adapters.store.row_security import AS_SERVICE, READ_TENANT, Reach, policies
from server.adapters.store.tables import METADATA
from server.domain.principal import Owner
from tests.contract.store.builders import ALICE, ALICE_ELSEWHERE, BOB, conversation, stored
from tests.contract.store.postgres_server import PostgresServer
from tests.contract.store.recording_feed import RecordingFeed
from tests.contract.store.table_rows import TableRows
from tests.contract.store.test_postgres_news import RecordingPeers

UNPROTECTED: Final = {
    "alembic_version": "holds the schema's revision and nothing else",
    "event_publisher": "which process publishes events: whoever appends one looks whether somebody does",
    "message_index": "names no owner, and a policy would keep its index from being used: see `search_tables`",
    "message_index_state": "how far the index of messages is",
}
"""Tables that have no policies, and why they need none."""

WIDER: Final = {
    "users": (Reach.TENANT, "who is a user of the tenant can become a member of an organization"),
    "organizations": (Reach.TENANT, "the members of an organization see it, whoever founded it"),
    "memberships": (Reach.TENANT, "the members of an organization see each other"),
    "models": (Reach.TENANT, "the members of an organization see its models, whoever added them"),
    "conversations": (Reach.OWNER_READS_TENANT, "the archive tells that a conversation is another user's"),
    "audit": (Reach.OWNER_READS_TENANT, "who has the scope audit:read reads the tenant's records"),
    "usage_calls": (Reach.OWNER_READS_TENANT, "budgets are held against all calls of the tenant that are under way"),
    "usage_days": (Reach.OWNER_READS_TENANT, "who has the scope usage:admin reads what the tenant used"),
    "spending": (Reach.TENANT, "sums that budgets of tenants and keys are held against; they name no user"),
    "erasures": (Reach.TENANT, "who may erase users of the tenant is another than who is erased"),
    "webhooks": (Reach.TENANT, "they are the tenant's, whichever of its administrators made them"),
    "webhook_deliveries": (Reach.TENANT, "likewise what is queued for them, whoever's conversation it is about"),
    "retention": (Reach.TENANT, "one row for the whole tenant, which its administrators set"),
}
"""Tables that reach beyond their owners, and why."""

OWNERS: Final = (ALICE, BOB, ALICE_ELSEWHERE)
TABLES: Final = [table for table in METADATA.sorted_tables if table.name not in UNPROTECTED]


def _reach(table: str) -> Reach:
    return WIDER[table][0] if table in WIDER else Reach.OWNER


def _having(table: Table) -> list[Owner]:
    """Who has a row in the table: of a table with one for each tenant the first."""
    if [column.name for column in table.primary_key] == ["tenant"]:
        return list({owner.tenant: owner for owner in reversed(OWNERS)}.values())
    return list(OWNERS)


def _may_touch(table: Table) -> Callable[[Owner], bool]:
    """Whose rows Alice's transactions may touch."""
    return lambda owner: owner.tenant == ALICE.tenant if _reach(table.name) is Reach.TENANT else owner == ALICE


@pytest.fixture
async def filled(postgres_server: PostgresServer, postgres_database: str, postgres_url: str) -> str:
    """The address of a database in which each owner has a row in each table."""
    del postgres_url  # empties it
    numbers = count(1)
    engine = create_async_engine(
        postgres_server.superuser_dsn(postgres_database).replace("postgresql:", "postgresql+asyncpg:")
    )
    async with engine.begin() as connection:
        for owner in OWNERS:
            rows = TableRows(f"{owner.tenant}-{owner.user}", owner, numbers)
            for table in TABLES:
                row = rows.row(table)
                if owner in _having(table):
                    await connection.execute(insert(table).values(row))
    await engine.dispose()
    return postgres_server.dsn(postgres_database)


@pytest.fixture
async def connection(filled: str) -> AsyncIterator[Any]:
    """A connection of the service's role to that database."""
    import asyncpg  # type: ignore[import-untyped]  # it has no stubs

    opened = await asyncpg.connect(filled)
    yield opened
    await opened.close()


async def _begin(connection: Any, owner: Owner | None) -> None:
    """As the store does."""
    from server.adapters.store.postgres.attempts import BEGIN_WRITE, begin

    await connection.execute(begin(BEGIN_WRITE, owner))


async def _whose(connection: Any, table: Table) -> list[Owner]:
    return sorted(
        (Owner(*row) for row in await connection.fetch(f'SELECT tenant, owner FROM "{table.name}"')),
        key=lambda owner: (owner.tenant, owner.user),
    )


def _sorted(*owners: Owner) -> list[Owner]:
    return sorted(owners, key=lambda owner: (owner.tenant, owner.user))


async def test_the_role_is_bound_by_policies(connection: Any) -> None:
    """Else all other tests of the store would prove nothing of them."""
    role = await connection.fetchrow("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
    assert tuple(role) == (False, False)
    owners = await connection.fetch(
        "SELECT DISTINCT tableowner = current_user FROM pg_tables WHERE schemaname='public'"
    )
    assert [tuple(row) for row in owners] == [(True,)]


_PROTECTION = """
    SELECT relrowsecurity, relforcerowsecurity,
        (SELECT array_agg((policyname, permissive, roles::text, cmd, qual, with_check)::text ORDER BY policyname)
         FROM pg_policies WHERE schemaname = 'public' AND tablename = relname)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = $1
"""


async def test_every_table_of_the_database_is_protected(connection: Any) -> None:
    tables = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'f', 'm')"
    )
    found = {name for (name,) in await connection.fetch(tables)}
    assert found >= {table.name for table in TABLES}
    assert found >= UNPROTECTED.keys()
    assert found >= WIDER.keys()
    for table in sorted(found - UNPROTECTED.keys()):
        reach = _reach(table)
        await connection.execute("BEGIN; CREATE TABLE as_it_should_be (tenant text, owner text)")
        for statement in policies("as_it_should_be", reach):
            await connection.execute(statement)
        wanted = tuple(await connection.fetchrow(_PROTECTION, "as_it_should_be"))
        await connection.execute("ROLLBACK")
        assert tuple(await connection.fetchrow(_PROTECTION, table)) == wanted, (
            f"the table {table} lacks the policies of {reach}. Its migration calls `protect({table!r})` of "
            "server/adapters/store/migrations/protection.py once it is made. Where transactions of one owner must "
            "touch rows of others of the tenant, it says `reach=` as well, and the table stands in WIDER here, with "
            "the reason; where it has no tenant and owner, it stands in UNPROTECTED, with the reason"
        )


async def test_there_is_nothing_to_go_round_the_policies_by(connection: Any) -> None:
    """Views and functions that work with the rights of who made them."""
    assert not await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'"
    )
    assert not await connection.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    )


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_a_transaction_sees_and_changes_the_rows_of_its_owner_only(connection: Any, table: Table) -> None:
    """By statements without any condition."""
    may_touch = _may_touch(table)
    theirs = _sorted(*filter(may_touch, _having(table)))
    assert 0 < len(theirs) < len(_having(table))
    await _begin(connection, ALICE)
    assert await _whose(connection, table) == theirs
    await _refused_to_give_away(connection, table)
    if table.name != "audit":  # which nobody changes
        assert await connection.execute(f'UPDATE "{table.name}" SET tenant = tenant') == f"UPDATE {len(theirs)}"
        assert await connection.execute(f'DELETE FROM "{table.name}"') == f"DELETE {len(theirs)}"
        await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        await connection.execute("RESET parley.tenant; RESET parley.owner")
        await connection.execute(AS_SERVICE)
        left = await _whose(connection, table)
        assert left == _sorted(*(owner for owner in _having(table) if not may_touch(owner)))
    await connection.execute("ROLLBACK")


async def _refused_to_give_away(connection: Any, table: Table) -> None:
    """No row becomes another's, and none is made for another."""
    import asyncpg

    names = ", ".join(f'"{column.name}"' for column in table.columns)
    values = names.replace('"tenant"', "'elsewhere'")
    made = f"""INSERT INTO "{table.name}" ({names}) SELECT {values} FROM "{table.name}" LIMIT 1"""
    given = f"""UPDATE "{table.name}" SET tenant = 'elsewhere'"""
    for change in (made,) if table.name == "audit" else (made, given):
        await connection.execute("SAVEPOINT change")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security policy"):
            await connection.execute(change)
        await connection.execute("ROLLBACK TO change")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_who_says_nothing_sees_nothing(connection: Any, table: Table) -> None:
    """In a session in which nobody said anything, and in one where a transaction did that is over."""
    assert await _whose(connection, table) == []
    for owner in (ALICE, None):
        await _begin(connection, owner)
        assert await _whose(connection, table) != []
        await connection.execute("COMMIT")
        assert await _whose(connection, table) == []
        await connection.execute("BEGIN; SET LOCAL parley.tenant = 'acme'")
        of_tenant = [owner for owner in _having(table) if owner.tenant == "acme"]
        assert await _whose(connection, table) == (of_tenant if _reach(table.name) is Reach.TENANT else [])
        await connection.execute("ROLLBACK")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_the_service_sees_all_rows(connection: Any, table: Table) -> None:
    await _begin(connection, None)
    assert await _whose(connection, table) == _sorted(*_having(table))
    await connection.execute("ROLLBACK")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
async def test_what_reads_the_tenants_rows_changes_none_of_them(connection: Any, table: Table) -> None:
    await _begin(connection, ALICE)
    await connection.execute(READ_TENANT)
    reads = _reach(table.name) is not Reach.OWNER
    of_tenant = [owner for owner in _having(table) if owner.tenant == ALICE.tenant]
    assert await _whose(connection, table) == (_sorted(*of_tenant) if reads else [ALICE])
    if table.name != "audit" and _reach(table.name) is not Reach.TENANT:
        assert await connection.execute(f'UPDATE "{table.name}" SET tenant = tenant') == "UPDATE 1"
        assert await connection.execute(f'DELETE FROM "{table.name}"') == "DELETE 1"
    await connection.execute("ROLLBACK")


STRANGE_NAMES: Final = (
    "o'neill",
    "'; SET LOCAL parley.service = 'on'; --",
    "\\",
    "\\'; SET LOCAL parley.service = 'on'; --",
    "a\\\\'b",
    "two\nlines",
    "$1",
    "nul\x00and\ufffe",
    "雪\U0001f600",
    "x" * 5000,
)


@pytest.fixture(params=["on", "off"])
def standard_strings(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, postgres_database: str
) -> Iterator[None]:
    """A server on which a backslash in a string stands for itself, and one where it does not."""
    database = f'ALTER DATABASE "{postgres_database}"'
    postgres_server.execute(f"{database} SET standard_conforming_strings = {request.param}")
    yield
    postgres_server.execute(f"{database} RESET standard_conforming_strings")


@pytest.mark.usefixtures("standard_strings")
@pytest.mark.parametrize("name", STRANGE_NAMES)
async def test_any_name_is_an_owners(postgres_url: str, name: str) -> None:
    owners = [Owner(name, name), Owner(name, "another"), Owner("another", name)]
    async with open_store(postgres_url, feed=RecordingFeed()) as store:
        for number, owner in enumerate(owners):
            made = conversation(f"talk {number}", owner=owner)
            await store.write(owner, lambda tx, made=made: tx.conversations.add(made))  # type: ignore[misc]
        for number, owner in enumerate(owners):
            for other in range(len(owners)):
                talk = f"talk {other}"
                found = await store.read(owner, lambda tx, talk=talk: tx.conversations.get(talk))  # type: ignore[misc]
                assert (found is not None) is (other == number)


async def test_a_migration_changes_the_rows_of_all(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from server.adapters.store.postgres import schema

    changed = []

    def upgrade(connection: Connection) -> None:
        changed.append(connection.execute(text("UPDATE conversations SET name = 'renamed'")).rowcount)

    monkeypatch.setattr(schema, "upgrade", upgrade)
    monkeypatch.setattr(schema, "HEAD", "a later one")
    await schema.migrate(filled, patience=timedelta(seconds=20))
    assert changed == [len(OWNERS)]


async def test_a_service_whose_role_no_policy_binds_says_so_once(
    postgres_server: PostgresServer, postgres_database: str, postgres_url: str
) -> None:
    mighty = postgres_server.superuser_dsn(postgres_database).replace("postgresql:", "postgresql+asyncpg:")
    for url, times in ((postgres_url, 0), (mighty, 1)):
        with capture_logs() as logs:
            async with open_store(url, feed=RecordingFeed(), peers=RecordingPeers()) as store:
                await stored(store, conversation(f"talk of {times}"))
        warnings = [line for line in logs if line["event"] == "row_security_bypassed"]
        assert [line["log_level"] for line in warnings] == ["warning"] * times


_STORE: Final = Path(__file__).parents[3] / "server"
_SAYS_WHOSE = re.compile(r"set_config|SET LOCAL|SET SESSION|\bparley\.(tenant|owner|service|reads)\b", re.IGNORECASE)
_NAMES = re.compile(r"\b(AS_SERVICE|READ_TENANT|as_owner)\b")


def test_one_module_makes_the_settings_and_few_use_it() -> None:
    """Whoever begins a transaction, migrates, or executes what may read the tenant's."""
    modules = {path.relative_to(_STORE).as_posix(): path.read_text() for path in _STORE.rglob("*.py")}
    assert {name for name, source in modules.items() if _SAYS_WHOSE.search(source)} == {
        "adapters/store/row_security.py"
    }
    assert {name: set(_NAMES.findall(source)) for name, source in modules.items() if _NAMES.search(source)} == {
        "adapters/store/row_security.py": {"AS_SERVICE", "READ_TENANT", "as_owner"},
        "adapters/store/postgres/attempts.py": {"AS_SERVICE", "as_owner"},
        "adapters/store/postgres/schema.py": {"AS_SERVICE"},
        "adapters/store/postgres/executor.py": {"READ_TENANT"},
    }
