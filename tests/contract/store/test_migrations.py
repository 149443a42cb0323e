"""The schema that migrations make: that of the tables, made once, whole or not at all."""

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine

from server.adapters.feed.local import LocalFeed
from server.adapters.store import migrations, open_store
from server.adapters.store.errors import SchemaUnknown
from server.adapters.store.sqlite import schema
from server.adapters.store.tables import METADATA
from server.domain.branch import BranchCause
from server.domain.cached_answer import CachedAnswer
from server.domain.generation import GenerationConfig
from server.domain.ids import MessageId, RunId
from server.domain.tool import ToolInvocation
from server.ports.store import RememberedRequest, Transaction
from tests.contract.store.builders import ALICE, approval, conversation, new_id, stored, tool_call
from tests.contract.store.postgres_server import PostgresServer

PATIENCE = timedelta(seconds=20)


def _sqlite_schema(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
        ).fetchall()
    return {name: _normal(sql) for name, sql in rows}


def _normal(sql: str) -> str:
    """Constraints in any order, without layout."""
    flat = re.sub(r"\s+", " ", sql).replace('"', "")
    head, _, body = flat.partition("(")
    return (
        head
        + "|".join(sorted(part.strip() for part in re.split(r",(?![^(]*\))", body.rpartition(")")[0])))
        + flat.rpartition(")")[2]
    )


def test_the_migrated_file_has_the_schema_of_the_tables(migrated_file: Path, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    METADATA.create_all(engine)
    engine.dispose()
    assert _sqlite_schema(migrated_file) == _sqlite_schema(tmp_path / "made.db")


def test_the_head_is_the_last_revision() -> None:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_heads() == [migrations.HEAD]


def test_migrating_again_changes_nothing_and_does_not_load_alembic(sqlite_path: Path) -> None:
    before = sqlite_path.read_bytes()
    script = f"""
import sys, pathlib, datetime
from server.adapters.store.sqlite.schema import migrate
migrate(pathlib.Path({str(sqlite_path)!r}), busy_timeout=datetime.timedelta(seconds=5))
assert "alembic" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, env=_environment())
    assert sqlite_path.read_bytes() == before


def test_processes_that_migrate_at_once_migrate_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "parley.db"
    script = f"""
import pathlib, datetime
from server.adapters.store.sqlite.schema import migrate
print("ready", flush=True)
input()
migrate(pathlib.Path({str(path)!r}), busy_timeout=datetime.timedelta(seconds=20))
"""
    command = [sys.executable, "-c", script]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment())
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert set(METADATA.tables) <= set(_sqlite_schema(path))


def test_a_migration_that_is_broken_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "parley.db"

    def break_off(connection: Connection) -> None:
        migrations.upgrade(connection)
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "upgrade", break_off)
    with pytest.raises(KeyboardInterrupt):
        schema.migrate(path, busy_timeout=PATIENCE)
    assert _sqlite_schema(path) == {}
    monkeypatch.undo()
    schema.migrate(path, busy_timeout=PATIENCE)
    assert set(METADATA.tables) <= set(_sqlite_schema(path))


async def test_a_schema_of_a_later_version_is_left_alone(sqlite_path: Path, sqlite_url: str) -> None:
    with closing(sqlite3.connect(sqlite_path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(SchemaUnknown, match="9999"):
        async with open_store(sqlite_url, feed=LocalFeed()):
            pass


async def test_an_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/a/b/parley.db"
    talk = conversation()
    async with open_store(url, feed=LocalFeed()) as store:
        await stored(store, talk)
    async with open_store(url, feed=LocalFeed()) as store:
        assert await store.read(ALICE, lambda tx: tx.conversations.by_id(talk.id)) == talk


@pytest.mark.parametrize("url", ["", "x", "sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:", "mysql://h/d"])
async def test_other_urls_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ValueError, match=r"^database: expected sqlite"):
        async with open_store(url, feed=LocalFeed()):
            pass


_OLD_ROWS = (
    "INSERT INTO conversations"
    " VALUES ('acme', 'alice', 'c1', 'talk', 'Talk', 0, NULL, '{}', '{}', '{}', 1, 2, 1, 0, 0)",
    "INSERT INTO messages (tenant, owner, id, conversation_id, role, content, created_at, status, position, model)"
    " VALUES ('acme', 'alice', 'm1', 'c1', 'assistant', 'Hi', 1, 'COMPLETE', 1, 'old-model')",
)


def _fill_as_of_0001(connection: Connection) -> None:
    migrations.upgrade(connection, to="0001")
    for row in _OLD_ROWS:
        connection.exec_driver_sql(row)


async def _assert_old_rows_are_whole(url: str) -> None:
    async with open_store(url, feed=LocalFeed()) as store:
        talk = await store.read(ALICE, lambda tx: tx.conversations.get("talk"))
        assert talk is not None
        assert (talk.name, talk.model, talk.summary, talk.image_model) == ("Talk", "old-model", "", "")
        assert (talk.created_by, talk.updated_by, talk.accessed_by) == (ALICE.user_id, ALICE.user_id, None)
        (old,) = await store.read(ALICE, lambda tx: tx.messages.history(talk.id))
        assert (old.content, old.image, old.metadata.cache_hit) == ("Hi", None, False)


async def test_a_file_of_the_revision_before_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        _fill_as_of_0001(connection)
    engine.dispose()
    schema.migrate(path, busy_timeout=PATIENCE)
    await _assert_old_rows_are_whole(f"sqlite+aiosqlite:///{path}")


_ROWS_OF_0003 = (
    "INSERT INTO conversations (tenant, owner, id, key, name, archived, settings, generation, context_management,"
    " created_at, updated_at, last_position, last_ticket, last_sequence)"
    " VALUES ('acme', 'alice', 'c1', 'talk', 'Talk', 0, '{}', '{}', '{}', 1, 2, 2, 1, 0)",
    *(
        "INSERT INTO messages (tenant, owner, id, conversation_id, role, content, created_at, status, position, ticket)"
        f" VALUES ('acme', 'alice', 'm{number}', 'c1', 'user', '{number}', 1, {place})"
        for number, place in enumerate(("'COMPLETE', 1, NULL", "'COMPLETE', 2, NULL", "'QUEUED', NULL, 1"))
    ),
)


def _fill_as_of_0003(connection: Connection) -> None:
    migrations.upgrade(connection, to="0003")
    for row in _ROWS_OF_0003:
        connection.exec_driver_sql(row)


async def _assert_old_histories_can_branch(url: str) -> None:
    async with open_store(url, feed=LocalFeed()) as store:
        talk = await store.read(ALICE, lambda tx: tx.conversations.get("talk"))
        assert talk is not None

        async def branch_off(tx: Transaction) -> tuple[list[str], list[str], list[str]]:
            tree = await tx.branches.tree(talk.id)
            assert tree is not None
            assert [(branch.number, branch.length) for branch in tree] == [(talk.branch, 2)] == [(1, 2)]
            source = MessageId("m1")
            branch = tree.forked(1, kept=1, cause=BranchCause.EDIT, source_message_id=source, now=talk.updated_at)
            await tx.branches.start(talk.id, branch)
            await tx.messages.admit(MessageId("m2"))
            old = await tx.branches.page(talk.id, 1, after=0, limit=9)
            new, queue = await tx.messages.history(talk.id), await tx.messages.queued(talk.id)
            return [m.id for m in old], [m.id for m in new], [m.id for m in queue]

        assert await store.write(ALICE, branch_off) == (["m0", "m1"], ["m0", "m2"], [])


async def test_histories_of_a_file_without_branches_can_branch(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        _fill_as_of_0003(connection)
    engine.dispose()
    schema.migrate(path, busy_timeout=PATIENCE)
    await _assert_old_histories_can_branch(f"sqlite+aiosqlite:///{path}")


_ROWS_OF_0004 = (
    _ROWS_OF_0003[0],
    "INSERT INTO cached_answers (tenant, owner, key, answer, created_at, expires_at)"
    " VALUES ('acme', 'alice', 'k', '{\"text\": \"Hello\"}', 1, 9000000000000000)",
)


def _fill_as_of_0004(connection: Connection) -> None:
    migrations.upgrade(connection, to="0004")
    for row in _ROWS_OF_0004:
        connection.exec_driver_sql(row)


async def _assert_answers_of_nowhere_are_gone(url: str) -> None:
    async with open_store(url, feed=LocalFeed()) as store:
        talk = await store.read(ALICE, lambda tx: tx.conversations.get("talk"))
        assert talk is not None
        assert await store.read(ALICE, lambda tx: tx.cached_answers.find("k", now=talk.updated_at)) is None
        said, until = CachedAnswer("Hello"), talk.updated_at + timedelta(hours=1)

        async def keep(tx: Transaction) -> CachedAnswer | None:
            now = talk.updated_at
            await tx.cached_answers.put("k", said, given_in=talk.id, now=now, expires_at=until)
            return await tx.cached_answers.find("k", now=now)

        assert await store.write(ALICE, keep) == said


async def test_answers_of_a_file_in_which_they_belong_to_no_conversation_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        _fill_as_of_0004(connection)
    engine.dispose()
    schema.migrate(path, busy_timeout=PATIENCE)
    await _assert_answers_of_nowhere_are_gone(f"sqlite+aiosqlite:///{path}")


_ROWS_OF_0005 = (
    *_ROWS_OF_0003,
    "INSERT INTO runs (tenant, owner, id, conversation_id, conversation_key, state, user_message_id, model, provider,"
    " generation, created_at, epoch, ticket, lease_until)"
    " VALUES ('acme', 'alice', 'r1', 'c1', 'talk', 'RUNNING', 'm1', 'm', 'p', '{\"model\": \"m\"}', 1, 2, 0, 0)",
    "INSERT INTO requests (tenant, owner, request_id, fingerprint, run_id, created_at, result)"
    " VALUES ('acme', 'alice', 'q1', 'f', 'r1', 1, NULL)",
    "INSERT INTO requests (tenant, owner, request_id, fingerprint, run_id, created_at, result)"
    " VALUES ('acme', 'alice', 'q2', 'f', NULL, 1, '{\"model\": \"m\"}')",
)


def _fill_as_of_0005(connection: Connection) -> None:
    migrations.upgrade(connection, to="0005")
    for row in _ROWS_OF_0005:
        connection.exec_driver_sql(row)


async def _assert_old_runs_can_use_tools(url: str) -> None:
    async with open_store(url, feed=LocalFeed()) as store:
        run = await store.read(ALICE, lambda tx: tx.runs.get(RunId("r1")))
        assert run is not None
        assert (run.rounds, run.settled_epoch, run.attempts) == (0, 0, 2)
        call = tool_call(run)

        async def go_on(tx: Transaction) -> list[ToolInvocation]:
            assert [message.provider_parts for message in await tx.messages.history(run.conversation_id)] == [None] * 2
            request = await tx.requests.find("q1", not_before=run.created_at)
            assert request == RememberedRequest("f", run.id)
            assert await tx.requests.recall("q2", GenerationConfig) == GenerationConfig("m")
            assert await tx.runs.settle(run.id, epoch=2, rounds=1)
            await tx.tool_calls.add([call])
            await tx.approvals.add(approval(call))
            await tx.requests.remember("q3", request, now=run.created_at, conversation_id=run.conversation_id)
            return await tx.tool_calls.open(run.id)

        assert await store.write(ALICE, go_on) == [call]
        await store.write(ALICE, lambda tx: tx.conversations.delete(run.conversation_id))
        assert await store.read(ALICE, lambda tx: tx.requests.find("q1", not_before=run.created_at)) is None
        assert await store.read(ALICE, lambda tx: tx.requests.find("q3", not_before=run.created_at)) is None
        assert await store.read(ALICE, lambda tx: tx.requests.find("q2", not_before=run.created_at)) is not None


async def test_runs_of_a_file_without_tools_can_use_them(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        _fill_as_of_0005(connection)
    engine.dispose()
    schema.migrate(path, busy_timeout=PATIENCE)
    await _assert_old_runs_can_use_tools(f"sqlite+aiosqlite:///{path}")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


async def _postgres_schema(dsn: str) -> set[Any]:
    import asyncpg  # type: ignore[import-untyped]  # it has no stubs

    connection = await asyncpg.connect(dsn)
    queries = (
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass",
        "SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name <> 'alembic_version'",
    )
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num text)")
        return {tuple(row) for query in queries for row in await connection.fetch(query)}
    finally:
        await connection.close()


@pytest.fixture
def new_databases(postgres_server: PostgresServer) -> list[str]:
    """Two empty PostgreSQL databases."""
    names = [f"new_{new_id().replace('-', '')}" for _ in range(2)]
    for name in names:
        postgres_server.execute(f"CREATE DATABASE {name}")
    return names


async def test_the_migrated_database_has_the_schema_of_the_tables_and_is_migrated_once(
    postgres_server: PostgresServer, new_databases: list[str]
) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    from server.adapters.store.postgres.schema import migrate

    migrated, made = (postgres_server.dsn(name) for name in new_databases)
    await asyncio.gather(*(migrate(migrated, patience=PATIENCE) for _ in range(3)))
    engine = create_async_engine(postgres_server.url(new_databases[1]))
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    await engine.dispose()
    assert await _postgres_schema(migrated) == await _postgres_schema(made)


async def test_a_database_of_the_revision_before_keeps_its_rows(
    postgres_server: PostgresServer, new_databases: list[str]
) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    from server.adapters.store.postgres.schema import migrate

    engine = create_async_engine(postgres_server.url(new_databases[0]))
    async with engine.begin() as connection:
        await connection.run_sync(_fill_as_of_0001)
    await engine.dispose()
    await migrate(postgres_server.dsn(new_databases[0]), patience=PATIENCE)
    await _assert_old_rows_are_whole(postgres_server.url(new_databases[0]))


async def test_histories_of_a_database_without_branches_can_branch(
    postgres_server: PostgresServer, new_databases: list[str]
) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    from server.adapters.store.postgres.schema import migrate

    engine = create_async_engine(postgres_server.url(new_databases[0]))
    async with engine.begin() as connection:
        await connection.run_sync(_fill_as_of_0003)
    await engine.dispose()
    await migrate(postgres_server.dsn(new_databases[0]), patience=PATIENCE)
    await _assert_old_histories_can_branch(postgres_server.url(new_databases[0]))


async def test_answers_of_a_database_in_which_they_belong_to_no_conversation_are_dropped(
    postgres_server: PostgresServer, new_databases: list[str]
) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    from server.adapters.store.postgres.schema import migrate

    engine = create_async_engine(postgres_server.url(new_databases[0]))
    async with engine.begin() as connection:
        await connection.run_sync(_fill_as_of_0004)
    await engine.dispose()
    await migrate(postgres_server.dsn(new_databases[0]), patience=PATIENCE)
    await _assert_answers_of_nowhere_are_gone(postgres_server.url(new_databases[0]))


async def test_runs_of_a_database_without_tools_can_use_them(
    postgres_server: PostgresServer, new_databases: list[str]
) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    from server.adapters.store.postgres.schema import migrate

    engine = create_async_engine(postgres_server.url(new_databases[0]))
    async with engine.begin() as connection:
        await connection.run_sync(_fill_as_of_0005)
    await engine.dispose()
    await migrate(postgres_server.dsn(new_databases[0]), patience=PATIENCE)
    await _assert_old_runs_can_use_tools(postgres_server.url(new_databases[0]))


async def test_a_database_of_a_later_version_is_left_alone(
    postgres_server: PostgresServer, new_databases: list[str]
) -> None:
    name = new_databases[0]
    postgres_server.execute(
        "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('9999')", database=name
    )
    with pytest.raises(SchemaUnknown, match="9999"):
        async with open_store(postgres_server.url(name), feed=LocalFeed()):
            pass
