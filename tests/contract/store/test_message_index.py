"""The index of messages: costs nothing of what others wrote, holds nothing of what is gone, and catches up."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Dialect

from server.adapters.feed.local import LocalFeed
from server.adapters.store import migrations, open_store
from server.adapters.store.dialects import POSTGRES, SQLITE
from server.adapters.store.message_search import found_statement, least_ranked_statement, shown_statement
from server.adapters.store.message_shape import Shape, parameters_of
from server.adapters.store.row_security import AS_SERVICE, as_owner
from server.adapters.store.sqlite import schema
from server.domain.ids import ConversationId
from server.domain.message_query import read_query
from server.domain.message_search import MessageSearch, SearchOrder
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, BOB, conversation, message, new_id, stored
from tests.contract.store.postgres_server import PostgresServer

SHAPES = [Shape(dialect.name, order, 2, 2, 1) for dialect in (SQLITE, POSTGRES) for order in SearchOrder]
_MESSAGE_OF_0010 = (
    "INSERT INTO messages (tenant, owner, id, conversation_id, role, content, created_at, status, position)"
    " VALUES ('acme', '{owner}', '{id}', 'c-{owner}', 'user', '{content}', {time}, 'COMPLETE', {position})"
)
_CONVERSATION_OF_0010 = (
    "INSERT INTO conversations (tenant, owner, id, key, name, archived, settings, generation, context_management,"
    " created_at, updated_at, last_position, last_ticket, last_sequence)"
    " VALUES ('acme', '{owner}', 'c-{owner}', 'talk', 'Talk', 0, '{{}}', '{{}}', '{{}}', 1, 2, 300, 0, 0)"
)
OLD = 300


class _Killed(Exception):
    """Ends a unit before it is committed."""


def _old_rows() -> Iterator[str]:
    for owner in ("alice", "bob"):
        yield _CONVERSATION_OF_0010.format(owner=owner)
        for number in range(OLD):
            content = f"old {owner} {number}" if number % 10 else "..."
            row = {"owner": owner, "id": f"m{number}-{owner}", "content": content}
            yield _MESSAGE_OF_0010.format(**row, time=1000 + number, position=number + 1)


async def _count(store: Store, query: str) -> int:
    search = MessageSearch(read_query(query))
    return len(await store.read(ALICE, lambda tx: tx.message_index.find(search, limit=1000, after=None)))


async def _assert_old_messages_come_to_be_found(url: str) -> None:
    async with open_store(url, feed=LocalFeed()) as store:
        assert not await store.read_system(lambda tx: tx.index_is_whole())
        assert await _count(store, "old") == 0
        new = message(conversation(id=ConversationId("c-alice")), "old but new")
        await store.write(ALICE, lambda tx: tx.messages.append(new))
        assert await _count(store, "old") == 1
        assert await store.write_system(lambda tx: tx.index_older(limit=64))
        begun = await _count(store, "old")
        assert 1 < begun < 100

        async def killed(tx: object) -> None:
            await tx.index_older(limit=64)  # type: ignore[attr-defined]
            raise _Killed

        with pytest.raises(_Killed):
            await store.write_system(killed)
    async with open_store(url, feed=LocalFeed()) as store:
        assert await _count(store, "old") == begun
        steps = 0
        while await store.write_system(lambda tx: tx.index_older(limit=64)):
            steps += 1
        assert steps == 2 * OLD // 64 - 1
        assert await store.read_system(lambda tx: tx.index_is_whole())
        assert await _count(store, "old alice") == OLD - OLD // 10
        assert await _count(store, "old") == OLD - OLD // 10 + 1
        assert not await store.write_system(lambda tx: tx.index_older(limit=64))


async def test_messages_of_a_file_of_before_come_to_be_found_in_steps(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        migrations.upgrade(connection, to="0014")
        for row in _old_rows():
            connection.exec_driver_sql(row)
    engine.dispose()
    schema.migrate(path, busy_timeout=timedelta(seconds=20))
    await _assert_old_messages_come_to_be_found(f"sqlite+aiosqlite:///{path}")


async def test_messages_of_a_database_of_before_come_to_be_found_in_steps(postgres_server: PostgresServer) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    from server.adapters.store.postgres.schema import migrate

    name = f"old_{new_id().replace('-', '')}"
    postgres_server.create(name)
    engine = create_async_engine(postgres_server.url(name))
    async with engine.begin() as connection:
        await connection.exec_driver_sql(AS_SERVICE)
        await connection.run_sync(lambda old: migrations.upgrade(old, to="0014"))
        for row in _old_rows():
            await connection.exec_driver_sql(row)
    await engine.dispose()
    await migrate(postgres_server.dsn(name), patience=timedelta(seconds=20))
    await _assert_old_messages_come_to_be_found(postgres_server.url(name))


def _blocks(path: Path) -> bytes:
    """All that SQLite's index holds."""
    with closing(sqlite3.connect(path)) as connection:
        return b"".join(row[0] for row in connection.execute("SELECT block FROM message_index_data"))


async def test_no_word_of_a_deleted_conversation_stays_in_the_index(sqlite_path: Path, sqlite_url: str) -> None:
    """Words are told apart by their ends: the index stores the beginnings that neighbours share once."""
    async with open_store(sqlite_url, feed=LocalFeed()) as store:
        talks = [conversation(f"talk {number}") for number in range(4)]
        await stored(store, *talks)
        for talk in talks:
            for number in range(40):
                text = f"some words {number} zq{talk.key[-1]}xjv of a talk"
                await store.write(ALICE, lambda tx, of=talk, text=text: tx.messages.append(message(of, text)))  # type: ignore[misc]
        for talk in talks[:2]:
            await store.write(ALICE, lambda tx, of=talk: tx.conversations.delete(of.id))  # type: ignore[misc]
        # Else the test would prove nothing.
        assert b"0xjv" in _blocks(sqlite_path)
        assert await store.read_system(lambda tx: tx.index_needs_cleaning())
        steps = 0
        while await store.write_system(lambda tx: tx.clean_index(effort=1)):
            steps += 1
            if steps == 1:
                other = message(talks[3], "written meanwhile")
                await store.write(ALICE, lambda tx, other=other: tx.messages.append(other))  # type: ignore[misc]
                await store.write(ALICE, lambda tx: tx.conversations.delete(talks[2].id))
            assert steps < 500
        assert not await store.read_system(lambda tx: tx.index_needs_cleaning())
        left = _blocks(sqlite_path)
        assert [b"%dxjv" % number in left for number in range(4)] == [False, False, False, True]
        assert await _count(store, "words") == 40
        assert await _count(store, "meanwhile") == 1
        assert not await store.write_system(lambda tx: tx.clean_index(effort=1))
    with closing(sqlite3.connect(sqlite_path)) as connection:
        connection.execute("INSERT INTO message_index(message_index) VALUES ('integrity-check')")


async def test_units_that_are_committed_together_are_indexed_as_far_as_they_succeed(sqlite_url: str) -> None:
    """All that begin in one turn of the loop share a commit, and are written to the index at its end."""
    async with open_store(sqlite_url, feed=LocalFeed()) as store:
        await _commit_together(store)
        assert await _count(store, "words") == 2
        assert await _count(store, "go") == await _count(store, "fail") == await _count(store, "before") == 0


async def _commit_together(store: Store) -> None:
    kept, gone, cut = conversation("kept"), conversation("gone"), conversation("cut")
    await stored(store, kept, gone, cut)
    await store.write(ALICE, lambda tx: tx.messages.append(message(gone, "words of before")))

    async def fail(tx: Transaction) -> None:
        await tx.messages.append(message(cut, "words that fail"))
        raise _Killed

    async def come_and_go(tx: Transaction) -> None:
        await tx.messages.append(message(cut, "words that go at once"))
        await tx.conversations.delete(cut.id)

    units = [
        lambda tx: tx.messages.append(message(gone, "words that go")),
        lambda tx: tx.messages.append(message(kept, "words that stay")),
        fail,
        come_and_go,
        lambda tx: tx.conversations.delete(gone.id),
        lambda tx: tx.messages.append(message(kept, "words that stay, too")),
    ]
    ends = await asyncio.gather(*(store.write(ALICE, unit) for unit in units), return_exceptions=True)
    assert [type(each) for each in ends if isinstance(each, BaseException)] == [_Killed]
    left = await store.read(ALICE, lambda tx: tx.messages.history(kept.id, last=10))
    assert [each.content for each in left] == ["words that stay", "words that stay, too"]


async def test_no_word_waits_for_the_index_and_none_is_removed_that_was_never_there(
    sqlite_path: Path, sqlite_url: str
) -> None:
    async with open_store(sqlite_url, feed=LocalFeed()) as store:
        kept, gone = conversation("kept"), conversation("gone")
        await stored(store, kept, gone)

        async def come_and_go(tx: Transaction) -> None:
            await tx.messages.append(message(gone, "nobody reads this"))
            await tx.messages.append(message(kept, "somebody reads this"))
            await tx.conversations.delete(gone.id)

        await store.write(ALICE, come_and_go)
        assert not await store.read_system(lambda tx: tx.index_needs_cleaning())
    with closing(sqlite3.connect(sqlite_path)) as connection:
        assert connection.execute("SELECT count(*) FROM message_index_pending").fetchone() == (0,)
        connection.execute("CREATE VIRTUAL TABLE temp.held USING fts5vocab(main, message_index, row)")
        held = {term[9:]: documents for term, documents in connection.execute("SELECT term, doc FROM held")}
    assert held.pop("nobody", None) is None
    assert held["somebody"] == held["reads"] == 1


async def test_the_index_of_either_database_needs_no_cleaning_at_first(store: Store) -> None:
    talk = conversation("talk")
    await stored(store, talk)
    await store.write(ALICE, lambda tx: tx.messages.append(message(talk)))
    assert await store.read_system(lambda tx: tx.index_is_whole())
    assert not await store.read_system(lambda tx: tx.index_needs_cleaning())
    assert not await store.write_system(lambda tx: tx.clean_index(effort=1))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.dialect} {shape.order}")
def test_a_search_is_bound_to_tenant_and_owner(shape: Shape) -> None:
    dialect = SQLITE if shape.dialect == SQLITE.name else POSTGRES
    sql = found_statement(shape).compiled(dialect).sql
    assert "messages.tenant = " in sql
    assert "messages.owner = " in sql


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES], ids=lambda dialect: dialect.name)
def test_what_is_ranked_is_bound_to_tenant_and_owner(dialect: Dialect) -> None:
    sql = least_ranked_statement(dialect.name).compiled(dialect).sql
    assert "message_words.tenant = " in sql
    assert "message_words.owner = " in sql


@pytest.mark.parametrize("order", SearchOrder)
def test_sqlite_asks_the_index_first_and_looks_the_rest_up(sqlite_path: Path, order: SearchOrder) -> None:
    sql = found_statement(Shape(SQLITE.name, order, 2, 2, 1)).compiled(SQLITE).sql
    with closing(sqlite3.connect(sqlite_path)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))]
    assert [step.split(" ")[:2] for step in plan if "TEMP" not in step] == [
        ["SCAN", "message_index"],
        ["SEARCH", "message_words"],
        ["SEARCH", "messages"],
    ]
    assert any("TEMP B-TREE" in step for step in plan) == (order is SearchOrder.RELEVANCE)


@pytest.mark.parametrize("order", SearchOrder)
async def test_postgres_asks_the_index_also_when_it_may_choose(
    postgres_server: PostgresServer, postgres_url: str, postgres_database: str, order: SearchOrder
) -> None:
    import asyncpg  # type: ignore[import-untyped]  # it has no stubs

    async with open_store(postgres_url, feed=LocalFeed()) as store:
        for owner in (ALICE, BOB):
            talk = conversation("talk", owner=owner)
            await stored(store, talk)
            many = [message(talk, f"common word{number % 50} {number}") for number in range(3000)]
            await store.write(owner, lambda tx, talk=talk, many=many: tx.messages.extend(talk.id, many))  # type: ignore[misc]
    sql = found_statement(Shape(POSTGRES.name, order, 0, 0, 0)).compiled(POSTGRES).sql
    connection = await asyncpg.connect(postgres_server.dsn(postgres_database))
    try:
        await connection.execute("ANALYZE")
        await connection.execute(as_owner(ALICE).replace("LOCAL ", ""))
        await connection.execute(f"PREPARE planned AS {sql}")
        rows = await connection.fetch(f"EXPLAIN EXECUTE planned({', '.join(_literals(sql, order))})")
        plan = "\n".join(row[0] for row in rows)
    finally:
        await connection.close()
    assert "Bitmap Index Scan on ix_message_index_vector" in plan, plan
    assert "Seq Scan" not in plan, plan


def _literals(sql: str, order: SearchOrder) -> list[str]:
    """The parameters of Alice's search for two words."""
    search = MessageSearch(read_query("common word7"), order=order)
    statement = found_statement(Shape(POSTGRES.name, order, 0, 0, 0))
    values = {**parameters_of(ALICE, search, POSTGRES.name, None), "limit": 20, "tenant": "acme", "owner": "alice"}
    arguments = statement.compiled(POSTGRES).arguments(values)
    assert len(arguments) == max(int(number) for number in re.findall(r"\$(\d+)", sql))
    return [str(each) if isinstance(each, int) else "'{}'".format(each.replace("'", "''")) for each in arguments]


def test_messages_that_are_shown_are_found_by_their_ids(sqlite_path: Path) -> None:
    sql = shown_statement(4).compiled(SQLITE).sql
    with closing(sqlite3.connect(sqlite_path)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))]
    assert not [step for step in plan if step.startswith("SCAN")]
