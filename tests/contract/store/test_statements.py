"""Statements as they are: bound to an owner, free of conversions, and answered by an index."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import Insert
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from server.adapters.store import (
    all_storage,
    api_keys,
    approvals,
    archive,
    audit,
    awaited_calls,
    batches,
    branches,
    cached_answers,
    compactions,
    conversations,
    crowds,
    erasures,
    events,
    extractions,
    files,
    graves,
    histories,
    keys,
    leases,
    members,
    memories,
    message_indexing,
    message_matching,
    message_search,
    message_words,
    messages,
    model_requests,
    models,
    organizations,
    outbox,
    personal_records,
    provisioning,
    rate_reports,
    requests,
    retention,
    runs,
    sessions,
    spending,
    storage,
    tenant_retention,
    tenant_rights,
    tool_calls,
    traces,
    usage_calls,
    usage_sums,
    voice,
    webhook_queue,
    webhooks,
)
from server.adapters.store.archive import Shape, Term, search_statement
from server.adapters.store.dialects import POSTGRES, SQLITE
from server.adapters.store.histories import histories_statement
from server.adapters.store.sqlite.connection import connect
from server.adapters.store.statement import Foreign, Owned, Statement
from server.adapters.store.tables import METADATA
from server.domain.search import Field, Operator
from tests.contract.store.postgres_server import PostgresServer

OWNED_PARTS = [
    archive,
    cached_answers,
    histories,
    conversations,
    messages,
    branches,
    runs,
    crowds,
    events,
    sessions,
    files,
    organizations,
    models,
    requests,
    tool_calls,
    approvals,
    compactions,
    extractions,
    memories,
    model_requests,
    api_keys,
    audit,
    usage_calls,
    usage_sums,
    spending,
    message_matching,
    message_search,
    message_words,
    personal_records,
    storage,
    voice,
]
SYSTEM_PARTS = [
    *(keys, provisioning, members, leases, all_storage, retention, awaited_calls, outbox, message_indexing),
    *(batches, erasures, graves, tenant_retention, tenant_rights, traces, rate_reports, webhook_queue, webhooks),
]


def _statements(modules: list[ModuleType]) -> Iterator[tuple[str, Statement]]:
    for module in modules:
        for name, value in vars(module).items():
            full_name = f"{module.__name__.rpartition('.')[2]}.{name}"
            if isinstance(value, Statement):
                yield full_name, value
            elif isinstance(value, list | tuple):
                several = [each for each in value if isinstance(each, Statement)]
                yield from ((f"{full_name}[{number}]", each) for number, each in enumerate(several))


def _searches() -> Iterator[tuple[str, Statement]]:
    """Statements that are made when they are asked for: each condition, each order, each with the other."""
    nothing = [Term(field, operator, True) for field in Field if field.is_nullable for operator in list(Operator)[:2]]
    terms = [Term(field, operator) for field in Field for operator in Operator if operator is not Operator.REGEX]
    for number, term in enumerate([*terms, *nothing]):
        sort = list(Field)[number % len(Field)]
        yield f"searched: {term}", search_statement(Shape((term,), sort, descending=bool(number % 2)))
    for sort in Field:
        for descending in (False, True):
            yield f"sorted: {sort} {descending}", search_statement(Shape((), sort, descending))
            yield f"candidates: {sort} {descending}", search_statement(Shape((), sort, descending, has_patterns=False))
    yield "histories: 1", histories_statement(1)
    yield "histories: 4", histories_statement(4)


def _exports() -> Iterator[tuple[str, Statement]]:
    for name, exported in personal_records._EXPORTED.items():
        yield f"exported keys: {name}", exported.keys
        yield f"exported record: {name}", exported.record


OF_TENANT = {
    "audit._OF_TENANT": audit._OF_TENANT,
    "usage_sums.ROWS_OF_TENANT": usage_sums.ROWS_OF_TENANT,
    "usage_sums.KEY_DAYS": usage_sums.KEY_DAYS,
    "spending.SPENT": spending.SPENT,
    "spending.RESERVED": spending.RESERVED,
}
"""What shows a user, whose scope permits it, rows of the others of the tenant."""
OF_SERVICE = {
    "audit._ADD": audit._ADD,
    "spending.ADD": spending.ADD,
    "extractions._DUE": extractions._DUE,
    "usage_calls._LAPSED": usage_calls._LAPSED,
    "message_words.ADD_WORDS_OF_ANYBODY": message_words.ADD_WORDS_OF_ANYBODY,
}
"""What the service itself does with a table that also has owners."""
OWNED = {
    **{
        name: each
        for name, each in _statements(OWNED_PARTS)
        if not isinstance(each, Foreign) and name not in {*OF_TENANT, *OF_SERVICE}
    },
    **dict(_searches()),
    **dict(_exports()),
}
FOREIGN = {name: each for name, each in _statements(OWNED_PARTS) if isinstance(each, Foreign)}
ALL = {**FOREIGN, **OWNED, **OF_TENANT, **OF_SERVICE, **dict(_statements(SYSTEM_PARTS))}


UNDER_WAY = re.compile(
    r"INDEX ix_runs_(queued|queue|leases)\b|INDEX ix_run_events_(unpublished|untold)\b"
    r"|SCAN (event_removals|event_publisher|voice_sessions)\b|SCAN anon_1$"
)
"""Partial indices, the deletions that are not told yet, the one publisher, calls, and what came of one of those."""


def _compiled(statement: Statement, dialect: Dialect) -> SQLCompiler:
    compiled = statement.core.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    return compiled


@pytest.mark.parametrize("name", OWNED)
def test_a_statement_of_the_owned_transaction_is_bound_to_tenant_and_owner(name: str) -> None:
    statement = OWNED[name]
    assert isinstance(statement, Owned)
    sql = " ".join(_compiled(statement, SQLITE).string.split())
    if isinstance(statement.core, Insert) and statement.core.select is None:
        columns = re.findall(r"[\w\"]+", sql[sql.index("(") : sql.index(")")])
        positions = _compiled(statement, SQLITE).positiontup or []
        assert [positions[columns.index(column)] for column in ("tenant", "owner")] == ["tenant", "owner"]
    else:
        assert re.search(r"(WHERE|AND) (\w+)\.tenant = \? AND \2\.owner = \?", sql)


@pytest.mark.parametrize("name", OF_TENANT)
def test_a_statement_of_the_tenant_is_bound_to_it(name: str) -> None:
    assert re.search(r"(WHERE|AND) (\w+)\.tenant = \?", " ".join(_compiled(OF_TENANT[name], SQLITE).string.split()))


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_statement_tells_nothing_of_a_row_but_that_it_is_there(name: str) -> None:
    sql = " ".join(_compiled(FOREIGN[name], SQLITE).string.split())
    assert re.fullmatch(r"SELECT 1 FROM (\w+) WHERE \1\.id = \? AND \1\.tenant = \? AND \1\.owner != \?", sql)


def test_statements_are_made_where_these_tests_look() -> None:
    store = Path(conversations.__file__).parent
    makers = re.compile(r"\b(owned|owned_insert|found|shared|foreign|Owned|Foreign|Statement)\(")
    found = {path.stem for path in store.rglob("*.py") if makers.search(path.read_text())} - {"statement", "sharing"}
    assert found == {module.__name__.rpartition(".")[2] for module in (*OWNED_PARTS, *SYSTEM_PARTS)}
    assert len(OWNED) > 40


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("name", ALL)
def test_no_value_needs_a_conversion(name: str, dialect: Dialect) -> None:
    """The compiled SQL is executed without SQLAlchemy, so nothing would apply one."""
    compiled = _compiled(ALL[name], dialect)
    assert not compiled._bind_processors
    for column in compiled.statement.exported_columns if compiled.statement is not None else ():  # type: ignore[attr-defined]
        assert column.type.dialect_impl(dialect).result_processor(dialect, None) is None


@pytest.mark.parametrize("name", ALL)
def test_sqlite_answers_by_an_index(name: str, sqlite_path: Path) -> None:
    """No statement reads a whole table, but for the list of all keys."""
    compiled = _compiled(ALL[name], SQLITE)
    with closing(sqlite3.connect(sqlite_path)) as connection:
        parameters = [None] * len(compiled.positiontup or ())
        plan = connection.execute(f"EXPLAIN QUERY PLAN {compiled.string}", parameters).fetchall()
    # A constant row is no table's: it holds the parameters of an insertion.
    scans = [detail for *_, detail in plan if detail.startswith("SCAN") and detail != "SCAN CONSTANT ROW"]
    if name == "keys._ALL":
        assert scans == ["SCAN api_keys"]
        return
    # What holds nothing but what is under way, never what is over, may be walked.
    walked = [detail for detail in scans if not UNDER_WAY.search(detail)]
    assert not walked


def test_sqlite_looks_for_patterns_in_an_index_order(sqlite_path: Path) -> None:
    shape = Shape((Term(Field.NAME, Operator.REGEX), Term(Field.MODEL, Operator.EQUAL)), Field.UPDATED_AT, True)
    compiled = _compiled(search_statement(shape), SQLITE)
    with closing(connect(sqlite_path, busy_timeout=timedelta(seconds=1), read_only=True)) as connection:
        parameters = [None] * len(compiled.positiontup or ())
        plan = connection.execute(f"EXPLAIN QUERY PLAN {compiled.string}", parameters).fetchall()
    assert [detail for *_, detail in plan] == [
        "SEARCH conversations USING INDEX ix_conversations_updated_at (tenant=? AND owner=?)"
    ]


SORTED_BY_INDEX = [
    "sorted: updated.timestamp True",
    "sorted: updated.timestamp False",
    "sorted: created.timestamp True",
    "sorted: created.timestamp False",
    "candidates: updated.timestamp True",
    "histories: 1",
    "histories: 4",
    "conversations._PAGE",
    "conversations._PAGE_UNARCHIVED",
    "messages._FORWARD",
    "messages._BACKWARD",
    "messages._WAITING",
    "branches._ALL",
    "branches._OF_HISTORY",
    "branches._OF_BRANCH",
    "runs._PAGE",
    "events._AFTER",
    "events._OF_RUN_AFTER",
    "events._SAID",
    "sessions._OF_CONVERSATION",
    "leases._STARTABLE",
    "tool_calls._OPEN",
    "tool_calls._OPEN_OF_CONVERSATION",
    "approvals._CURRENT",
    "approvals._PENDING",
    "compactions._ALL",
    "compactions._NEWEST",
    "model_requests._OF_RUN",
    "model_requests._COUNTS",
    "outbox._UNPUBLISHED",
    "webhook_queue._UNTOLD",
    "webhook_queue._DUE_WEBHOOKS",
    "webhook_queue._DUE",
    "webhooks._PAGE",
    "webhooks._DELIVERIES",
]


@pytest.mark.parametrize("name", SORTED_BY_INDEX)
def test_sqlite_sorts_nothing_to_give_a_page(name: str, sqlite_path: Path) -> None:
    compiled = _compiled(ALL[name], SQLITE)
    with closing(sqlite3.connect(sqlite_path)) as connection:
        parameters = [None] * len(compiled.positiontup or ())
        plan = connection.execute(f"EXPLAIN QUERY PLAN {compiled.string}", parameters).fetchall()
    assert not [detail for *_, detail in plan if "TEMP B-TREE" in detail]


async def test_postgres_answers_by_an_index(postgres_server: PostgresServer, postgres_database: str) -> None:
    """Even an empty table is scanned only where no index would do."""
    import asyncpg  # type: ignore[import-untyped]  # it has no stubs

    scans: set[str] = set()
    connection = await asyncpg.connect(
        postgres_server.dsn(postgres_database),
        server_settings={"enable_seqscan": "off", "plan_cache_mode": "force_generic_plan"},
    )
    try:
        for name, statement in ALL.items():
            compiled = _compiled(statement, POSTGRES)
            arguments = ", ".join("NULL" for _ in compiled.positiontup or ())
            await connection.execute(f"PREPARE planned AS {compiled.string}")
            plan = await connection.fetch(f"EXPLAIN EXECUTE planned{f'({arguments})' if arguments else ''}")
            scans |= {name for (line,) in plan if "Seq Scan" in line}
            await connection.execute("DEALLOCATE planned")
    finally:
        await connection.close()
    assert scans == {"keys._ALL"}


OF_NOBODY = {"event_publisher"}
"""What holds no data of anybody's: see `test_row_security`."""


def test_every_table_names_tenant_and_owner() -> None:
    for table in METADATA.tables.values():
        if table.name in OF_NOBODY:
            continue
        assert {"tenant", "owner"} <= set(table.columns.keys())
        assert not table.c.tenant.nullable
        assert not table.c.owner.nullable
