"""What an acknowledged send costs: the store against an async ORM session each, on the same machine in one run.

A send is the unit that accepts a message: lock the conversation, append the message, add its run, append two events.
The ORM does the same rows in the same order in a session of its own, committed with FULL sync as well. What counts are
the ratios; rates and CPU times are printed beside them for orientation.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import event, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.store.payloads import dump_payload
from server.adapters.store.tables import ConversationRow, MessageRow, RunEventRow, RunRow
from server.adapters.store.times import micros
from server.adapters.system import SystemIds
from server.domain.conversation import Conversation
from server.domain.events import MessageStarted, Payload, RunStarted
from server.domain.generation import GenerationConfig
from server.domain.ids import ConversationId, MessageId, RunId, WorkerId
from server.domain.message import Message, Role
from server.domain.principal import Owner
from server.domain.run import Lease, Run, RunState
from server.ports.store import Store, Transaction
from tests.bench.figures import Figure, Report

OWNER = Owner("bench", "dev")
SENDERS = (1, 10, 64)
ROUNDS = 5
SECONDS = 0.5
"""Of each round. Rounds of all kinds take turns and the best of each kind counts, for what else the machine does slows
some of them."""
HISTORY = 200
LAST = 50
BAR_SENDERS = 5.0
"""Rate of 64 senders over that of one."""
BAR_ORM = 10.0
"""Rate of 64 senders over that of an ORM session each."""

_ids = SystemIds()


class Rate(NamedTuple):
    """How often something was done a second, and the CPU time of the whole process each."""

    per_second: float
    cpu_microseconds: float


def _conversation() -> Conversation:
    now = datetime.now(UTC)
    return Conversation(ConversationId(str(_ids.uuid())), OWNER, str(_ids.uuid()), "Bench", now, now)


def _message(talk: Conversation) -> Message:
    return Message(MessageId(str(_ids.uuid())), talk.id, Role.USER, "What is the answer? " * 5, datetime.now(UTC))


def _run(talk: Conversation, message: Message) -> Run:
    """A run that is over: the next send to the conversation finds it idle."""
    return Run(
        id=RunId(f"run_{_ids.uuid().hex}"),
        owner=OWNER,
        conversation_id=talk.id,
        conversation_key=talk.key,
        state=RunState.COMPLETED,
        user_message_id=message.id,
        model="bench",
        provider="bench",
        generation=GenerationConfig(model="bench", temperature=0.5),
        created_at=message.created_at,
        epoch=1,
        lease=Lease(WorkerId("w"), message.created_at + timedelta(seconds=6)),
    )


async def send(store: Store, talk: Conversation) -> None:
    """The unit of an acknowledged send: message, run and two events, behind the conversation's lock."""
    message = _message(talk)
    run = _run(talk, message)

    async def unit(tx: Transaction) -> None:
        await tx.conversations.lock(talk.key)
        appended = await tx.messages.append(message)
        await tx.runs.add(run)
        payloads: list[Payload] = [RunStarted(appended, "bench"), MessageStarted(message.id, Role.ASSISTANT, "bench")]
        await tx.events.append(talk.id, payloads, now=run.created_at, run_id=run.id, epoch=1)

    await store.write(OWNER, unit)


async def _send_with_orm(engine: AsyncEngine, talk: Conversation) -> None:
    message = _message(talk)
    run = _run(talk, message)
    async with AsyncSession(engine, expire_on_commit=False) as session:
        of_key = (
            select(ConversationRow)
            .where(ConversationRow.tenant == OWNER.tenant, ConversationRow.owner == OWNER.user)
            .where(ConversationRow.key == talk.key)
        )
        row = (await session.exec(of_key)).one()
        position, sequence = row.last_position + 1, row.last_sequence + 1
        raised = update(ConversationRow).where(col(ConversationRow.id) == row.id)
        await session.exec(raised.values(last_position=position, last_sequence=sequence + 1))
        appended = replace(message, position=position)
        session.add(_message_row(appended))
        session.add(_run_row(run))
        payloads: list[Payload] = [RunStarted(appended, "m"), MessageStarted(message.id, Role.ASSISTANT, "m")]
        for number, payload in enumerate(payloads):
            kind, text = dump_payload(payload)
            session.add(
                RunEventRow(
                    tenant=OWNER.tenant,
                    owner=OWNER.user,
                    conversation_id=talk.id,
                    sequence=sequence + number,
                    created_at=micros(run.created_at),
                    run_id=run.id,
                    epoch=1,
                    actor=None,
                    kind=kind,
                    payload=text,
                    unpublished=0,
                    untold=0,
                )
            )
        await session.commit()


def _message_row(message: Message) -> MessageRow:
    return MessageRow(
        id=message.id,
        tenant=OWNER.tenant,
        owner=OWNER.user,
        conversation_id=message.conversation_id,
        role=message.role.value,
        content=message.content,
        created_at=micros(message.created_at),
        status=message.status.value,
        position=message.position,
        branch=None,
        branch_position=None,
        ticket=None,
        run_id=None,
        session_id=None,
        model=None,
        provider=None,
        reasoning=None,
        tool_calls=None,
        tool_call_id=None,
        actor=None,
        usage=None,
        image=None,
        message_metadata=None,
        provider_parts=None,
        attachments=None,
        spoken=None,
        spoken_at=None,
    )


def _run_row(run: Run) -> RunRow:
    return RunRow(
        id=run.id,
        tenant=OWNER.tenant,
        owner=OWNER.user,
        conversation_id=run.conversation_id,
        conversation_key=run.conversation_key,
        state=run.state.value,
        user_message_id=run.user_message_id,
        model=run.model,
        provider=run.provider,
        generation='{"model":"bench","temperature":0.5}',
        created_at=micros(run.created_at),
        epoch=run.epoch,
        ticket=0,
        payer=None,
        caller="",
        lease_worker="w",
        lease_until=micros(run.created_at),
        session_id=None,
        actor=None,
        started_at=None,
        ended_at=None,
        error=None,
        usage=None,
        options="{}",
        rounds=0,
        settled_epoch=0,
    )


async def measured_rate(workers: int, work: Callable[[int], Awaitable[object]]) -> Rate:
    """`workers` callers, each one call after the other, for `SECONDS`."""
    done = 0
    end = time.perf_counter() + SECONDS

    async def caller(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await work(number)
            done += 1

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller(number) for number in range(workers)))
    elapsed, used = time.perf_counter() - started, time.process_time() - cpu
    return Rate(done / elapsed, used / done * 1e6)


@asynccontextmanager
async def _engine(path: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}", pool_size=4, max_overflow=0, connect_args={"timeout": 30}
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: object, _: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    try:
        yield engine
    finally:
        await engine.dispose()


async def talks_in(store: Store, count: int) -> list[Conversation]:
    """New conversations, stored."""
    talks = [_conversation() for _ in range(count)]
    await asyncio.gather(*(store.write(OWNER, lambda tx, t=talk: tx.conversations.add(t)) for talk in talks))  # type: ignore[misc]
    return talks


async def _bench_sends(url: str, path: Path) -> list[Figure]:
    rounds: dict[int, list[Rate]] = {senders: [] for senders in SENDERS}
    orm_rounds = []
    async with open_store(url, feed=LocalFeed()) as store, _engine(path) as engine:
        talks = await talks_in(store, max(SENDERS))
        for _ in range(ROUNDS):
            for senders in SENDERS:
                rounds[senders].append(await measured_rate(senders, lambda number: send(store, talks[number])))
            # One session at a time: more of them only collide on the file's lock.
            orm_rounds.append(await measured_rate(1, lambda number: _send_with_orm(engine, talks[number])))
    rates = {senders: max(measured) for senders, measured in rounds.items()}
    orm = max(orm_rounds)
    most = max(SENDERS)
    among = [_sends(n, rates[n], "one sender", rates[1], BAR_SENDERS if n == most else None) for n in SENDERS if n > 1]
    against = [_sends(n, rates[n], "an ORM session each", orm, BAR_ORM if n == most else None) for n in SENDERS]
    return [*among, *against]


def _sends(senders: int, ours: Rate, name: str, theirs: Rate, bar: float | None) -> Figure:
    detail = (
        f"{ours.per_second:.0f} a second, {ours.cpu_microseconds:.0f} us CPU each, "
        f"against {theirs.per_second:.0f}, {theirs.cpu_microseconds:.0f} us"
    )
    title = f"acknowledged sends, {senders} sender{'s' if senders > 1 else ''}: rate over {name}"
    return Figure(title, ours.per_second / theirs.per_second, bar, detail)


async def _read_with_orm(engine: AsyncEngine, talk: Conversation) -> None:
    async with AsyncSession(engine) as session:
        last = (
            select(MessageRow)
            .where(MessageRow.tenant == OWNER.tenant, MessageRow.owner == OWNER.user)
            .where(MessageRow.conversation_id == talk.id, col(MessageRow.position).is_not(None))
            .order_by(col(MessageRow.position).desc())
            .limit(LAST)
        )
        assert len((await session.exec(last)).all()) == LAST


async def _bench_reads(url: str, path: Path) -> list[Figure]:
    async with open_store(url, feed=LocalFeed()) as store, _engine(path) as engine:
        (talk,) = await talks_in(store, 1)

        async def read_ours(_: int) -> None:
            assert len(await store.read(OWNER, lambda tx: tx.messages.history(talk.id, last=LAST))) == LAST

        async def read_orm(_: int) -> None:
            await _read_with_orm(engine, talk)

        async def fill(tx: Transaction) -> None:
            for _ in range(HISTORY):
                await tx.messages.append(_message(talk))

        await store.write(OWNER, fill)
        rounds = [[await measured_rate(1, read) for read in (read_ours, read_orm)] for _ in range(ROUNDS)]
    ours, orm = (min(measured, key=lambda rate: rate.cpu_microseconds) for measured in zip(*rounds, strict=True))
    detail = f"{ours.cpu_microseconds:.0f} us against {orm.cpu_microseconds:.0f} us"
    ratio = orm.cpu_microseconds / ours.cpu_microseconds
    return [Figure(f"last {LAST} messages: CPU of an ORM session over ours", ratio, None, detail)]


def _sync_microseconds(folder: Path) -> float:
    """The fastest of a hundred syncs of one page to the disk."""
    seconds = []
    with (folder / "probe").open("wb", buffering=0) as probe:
        for _ in range(100):
            probe.write(bytes(4096))
            started = time.perf_counter()
            os.fdatasync(probe.fileno())
            seconds.append(time.perf_counter() - started)
    return min(seconds) * 1e6


async def _bench() -> Report:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "bench.db"
        url = f"sqlite+aiosqlite:///{path}"
        note = (
            f"a sync of this disk takes {_sync_microseconds(folder):.0f} us; the faster it is, the less is saved by "
            "sharing it, and the nearer the rate of 64 senders comes to that of one"
        )
        figures = [*await _bench_sends(url, path), *await _bench_reads(url, path)]
    return Report("The store against an async ORM session each, SQLite with FULL sync", figures, [note])


def run() -> Report:
    """Measure both."""
    return asyncio.run(_bench())
