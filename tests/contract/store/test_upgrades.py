"""Databases of earlier revisions keep what they held, and can do what came later."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from server.adapters.feed.local import LocalFeed
from server.adapters.store import migrations, open_store
from server.adapters.store.row_security import AS_SERVICE
from server.adapters.store.sqlite import schema
from server.domain.branch import BranchCause
from server.domain.cached_answer import CachedAnswer
from server.domain.generation import GenerationConfig
from server.domain.ids import MessageId, RunId
from server.domain.tool import ToolInvocation
from server.ports.store import RememberedRequest, Transaction
from tests.contract.store.builders import ALICE, approval, new_id, tool_call
from tests.contract.store.postgres_server import PostgresServer

PATIENCE = timedelta(seconds=20)


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


Fill = Callable[[Connection], None]
Check = Callable[[str], Awaitable[None]]
UPGRADES = pytest.mark.parametrize(
    ("fill", "check"),
    [
        pytest.param(_fill_as_of_0001, _assert_old_rows_are_whole, id="0001"),
        pytest.param(_fill_as_of_0003, _assert_old_histories_can_branch, id="0003"),
        pytest.param(_fill_as_of_0004, _assert_answers_of_nowhere_are_gone, id="0004"),
        pytest.param(_fill_as_of_0005, _assert_old_runs_can_use_tools, id="0005"),
    ],
)


@UPGRADES
async def test_a_file_of_an_earlier_revision_is_brought_up_to_date(tmp_path: Path, fill: Fill, check: Check) -> None:
    path = tmp_path / "parley.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        fill(connection)
    engine.dispose()
    schema.migrate(path, busy_timeout=PATIENCE)
    await check(f"sqlite+aiosqlite:///{path}")


@UPGRADES
async def test_a_database_of_an_earlier_revision_is_brought_up_to_date(
    postgres_server: PostgresServer, fill: Fill, check: Check
) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    from server.adapters.store.postgres.schema import migrate

    name = f"old_{new_id().replace('-', '')}"
    postgres_server.create(name)
    engine = create_async_engine(postgres_server.url(name))
    async with engine.begin() as connection:
        await connection.execute(text(AS_SERVICE))
        await connection.run_sync(fill)
    await engine.dispose()
    await migrate(postgres_server.dsn(name), patience=PATIENCE)
    await check(postgres_server.url(name))
