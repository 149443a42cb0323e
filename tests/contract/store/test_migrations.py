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
from tests.contract.store.builders import ALICE, conversation, new_id, stored
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


def test_the_migrated_file_has_the_schema_of_the_tables(sqlite_path: Path, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    METADATA.create_all(engine)
    engine.dispose()
    assert _sqlite_schema(sqlite_path) == _sqlite_schema(tmp_path / "made.db")


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
        postgres_server.create(name)
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


async def test_a_database_of_a_later_version_is_left_alone(
    postgres_server: PostgresServer, new_databases: list[str]
) -> None:
    name = new_databases[0]
    postgres_server.execute(
        "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('9999');"
        " GRANT SELECT ON alembic_version TO PUBLIC",
        database=name,
    )
    with pytest.raises(SchemaUnknown, match="9999"):
        async with open_store(postgres_server.url(name), feed=LocalFeed()):
            pass
