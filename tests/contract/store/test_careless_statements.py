"""Statements that forgot their owner: on PostgreSQL the policies keep what the statements do not.

The probes of `test_owner_isolation` are played with statements that are broken on purpose, all of them.
"""

import re
from collections.abc import AsyncIterator
from typing import Final

import pytest
from sqlalchemy.engine import Dialect

from server.adapters.store import open_store
from server.adapters.store.dialects import POSTGRES
from server.adapters.store.errors import RowRefused
from server.adapters.store.statement import Compiled, Owned, Statement
from server.ports.store import Store, Transaction
from tests.contract.store.builders import BOB
from tests.contract.store.postgres_server import PostgresServer
from tests.contract.store.recording_feed import RecordingFeed
from tests.contract.store.test_owner_isolation import (  # noqa: F401 - `alices` is a fixture
    SEES,
    Probe,
    Theirs,
    alices,
    test_another_owners_rows_do_not_exist,
    test_nothing_is_put_among_another_owners_rows,
)
from tests.contract.store.test_statements import OWNED

_CONDITION: Final = re.compile(r'(\w+)\.(tenant|owner) = (\$\d+::VARCHAR COLLATE "C")')
# These the tenant's users see together: that an organization's are for its members, the statements alone say.
_TOGETHER: Final = {"memberships", "mine", "models", "organizations", "users"}
_compiled = Statement.compiled


def _broken(sql: str) -> str:
    """The statement with conditions on tenant and owner that always hold."""

    def holds(found: re.Match[str]) -> str:
        table, column, value = found.groups()
        keeps = column == "owner" and table in _TOGETHER
        return found[0] if keeps else f"({found[0]} OR {value} IS NOT NULL)"

    return _CONDITION.sub(holds, sql)


def _careless(statement: Statement, dialect: Dialect) -> Compiled:
    compiled = _compiled(statement, dialect)
    return Compiled(_broken(compiled.sql), compiled.arguments) if isinstance(statement, Owned) else compiled


@pytest.fixture
async def store(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """A store of which no statement keeps owners apart."""
    monkeypatch.setattr(Statement, "compiled", _careless)
    async with open_store(postgres_url, feed=RecordingFeed()) as opened:
        yield opened


def test_every_statement_with_a_condition_is_broken() -> None:
    conditional = {name: sql for name, each in OWNED.items() if "WHERE" in (sql := _compiled(each, POSTGRES).sql)}
    assert len(conditional) > 40
    assert [
        name
        for name, sql in conditional.items()
        if re.search(r"\.tenant = \$\d+\S+ COLLATE \"C\"(?! OR)", _broken(sql))
    ] == []
    assert [name for name, sql in conditional.items() if _broken(sql) == sql] == []


class _Undone(Exception):
    """Takes back what a probe did, and carries what it saw."""


async def test_without_policies_the_broken_statements_show_what_is_anothers(
    store: Store,
    alices: Theirs,  # noqa: F811 - the fixture
    postgres_server: PostgresServer,
    postgres_database: str,
) -> None:
    """Else the tests that are played here would prove nothing of policies."""
    del store
    mighty = postgres_server.superuser_dsn(postgres_database).replace("postgresql:", "postgresql+asyncpg:")
    shown = set()
    async with open_store(mighty, feed=RecordingFeed()) as unbound:
        for method, (probe, hidden) in SEES.items():

            async def look(tx: Transaction, probe: Probe = probe) -> None:
                raise _Undone(await probe(tx, alices))

            with pytest.raises((_Undone, RowRefused)) as undone:
                await unbound.write(BOB, look)
            if undone.value.args != (hidden,):
                shown.add(method)
    assert len(shown) > len(SEES) / 2
    assert {method.partition(".")[0] for method in shown} >= {
        *("conversations", "messages", "branches", "runs", "events", "sessions", "files", "requests", "archive"),
        *("tool_calls", "approvals", "compactions", "model_requests", "keys", "cached_answers"),
    }
