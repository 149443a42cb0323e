"""Tenants lose what they have said they do not keep, wholly, and nothing else: whoever sweeps, however often killed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from server import failpoint
from server.adapters.blobs.directory import DirectoryBlobs
from server.adapters.store.tables import METADATA, conversations, run_events, runs
from server.adapters.store.times import micros
from server.domain.audit import AuditFilter
from server.domain.conversation import Conversation
from server.domain.events import AttemptReset
from server.domain.ids import ConversationId, FileId, RunId, WorkerId
from server.domain.limits import Limits
from server.domain.principal import Owner
from server.domain.retention import Retention
from server.domain.run import RunState
from server.engine.retention_sweep import RetentionSweep
from server.failpoint import InjectedFault
from server.ports.erasures import Buried
from server.ports.figures import Dropped, NoFigures
from server.ports.store import Store
from tests.contract.store.builders import (
    ALICE,
    ALICE_ELSEWHERE,
    BOB,
    audit_record,
    conversation,
    new_id,
    queued_run,
    stored,
)
from tests.contract.store.table_rows import fill
from tests.support.set_clock import SetClock

DAYS: Final = 30
OUTLIVED, KEPT = timedelta(days=DAYS, hours=1), timedelta(days=DAYS - 1)
STEPS: Final = (
    *("retention.claimed", "retention.buried", "graves.contents_destroyed", "graves.digging"),
    *("retention.events_dropped", "retention.audit_dropped"),
)
"""Where a sweeper dies; whoever comes next has something left to do at each."""


@dataclass
class _Figures(NoFigures):
    """Remembers what it is told."""

    gone: Counter[str] = field(default_factory=Counter)
    ends: list[bool] = field(default_factory=list)

    def dropped(self, what: Dropped, count: int) -> None:
        self.gone[what] += count

    def swept(self, *, is_whole: bool) -> None:
        self.ends.append(is_whole)


@dataclass
class _Stage:
    store: Store
    engine: AsyncEngine
    blobs: DirectoryBlobs
    files: Path
    clock: SetClock = field(default_factory=SetClock)
    left: list[ConversationId] = field(default_factory=list)
    figures: _Figures = field(default_factory=_Figures)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def sweeper(
        self, *, lease: timedelta = timedelta(minutes=10), blobs: DirectoryBlobs | None = None
    ) -> RetentionSweep:
        """One of another process."""
        return RetentionSweep(
            store=self.store,
            blobs=blobs or self.blobs,
            clock=self.clock,
            limits=Limits(lease=lease),
            figures=self.figures,
            worker=WorkerId(new_id()),
            left=self._leave,
        )

    def _leave(self, _runs: Collection[RunId], gone: Collection[ConversationId]) -> None:
        self.left.extend(gone)

    async def says(self, owner: Owner, **days: int) -> None:
        """A tenant says how long it keeps what."""
        said = Retention(**days)
        await self.store.write(owner, lambda tx: tx.rights.set_retention(said, now=self.now))

    async def talk(self, key: str, *, age: timedelta, owner: Owner = ALICE, archived: bool = False) -> Conversation:
        """A conversation that was last touched so long ago."""
        then = self.now - age
        made = conversation(key, owner=owner, created_at=then, updated_at=then, archived=archived)
        await stored(self.store, made)
        return made

    async def full(self, name: str, *, age: timedelta, owner: Owner = ALICE) -> FileId:
        """A conversation that has a row in every table that belongs to conversations, and a content; the file's id."""
        then = micros(self.now - age)
        async with self.engine.begin() as connection:
            await fill(connection, name, owner, self.numbers)
            touched = update(conversations).where(conversations.c.id == name).values(updated_at=then, archived=0)
            await connection.execute(touched)
            over = update(runs).where(runs.c.conversation_id == name).values(state=RunState.COMPLETED)
            await connection.execute(over)
            files = METADATA.tables["files"]
            found = (await connection.execute(select(files.c.id).where(files.c.conversation_id == name))).scalar_one()
            new = FileId(new_id())
            await connection.execute(update(files).where(files.c.id == found).values(id=new))
        await self.blobs.put(new, name.encode())
        return new

    async def there(self) -> set[str]:
        """The keys of all conversations."""
        async with self.engine.connect() as connection:
            return set((await connection.execute(select(conversations.c.key))).scalars())

    async def everywhere(self) -> dict[str, list[Any]]:
        """Every row of every table but that which says who sweeps."""
        async with self.engine.connect() as connection:
            return {
                table.name: sorted(map(repr, await connection.execute(select(table))))
                for table in METADATA.sorted_tables
                if table.name != "retention"
            }

    def contents(self) -> set[bytes]:
        """Every content."""
        return {file.read_bytes() for file in self.files.rglob("*") if file.is_file()}

    async def log(self, talk: Conversation, ages: list[timedelta]) -> None:
        """Events of a conversation, each so old."""
        payloads = [AttemptReset(number) for number in range(1, len(ages) + 1)]
        await self.store.write(talk.owner, lambda tx: tx.events.append(talk.id, payloads, now=self.now))
        async with self.engine.begin() as connection:
            for sequence, age in enumerate(ages, start=1):
                which = (run_events.c.conversation_id == talk.id, run_events.c.sequence == sequence)
                await connection.execute(update(run_events).where(*which).values(created_at=micros(self.now - age)))

    async def sequences(self, talk: Conversation) -> list[int]:
        """What is left of a log."""
        wanted = select(run_events.c.sequence).where(run_events.c.conversation_id == talk.id)
        async with self.engine.connect() as connection:
            return sorted((await connection.execute(wanted)).scalars())


@pytest.fixture
async def stage(store: Store, unbound_url: str, tmp_path: Path) -> AsyncIterator[_Stage]:
    engine = create_async_engine(unbound_url)
    yield _Stage(store, engine, DirectoryBlobs(tmp_path / "files"), tmp_path / "files")
    await engine.dispose()


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has whoever is the first to come to a step die of it."""

    def arm(step: str) -> None:
        monkeypatch.setitem(failpoint._ARMED, step, failpoint.parse(f"{step}=raise")[step])

    return arm


async def test_untouched_conversations_go_with_every_row_and_content_and_nothing_else_does(stage: _Stage) -> None:
    await stage.says(ALICE, conversation_days=DAYS)
    await stage.full("kept", age=KEPT)
    await stage.full("elsewhere", age=OUTLIVED, owner=ALICE_ELSEWHERE)
    before = await stage.everywhere()
    await stage.full("gone", age=OUTLIVED)
    assert stage.contents() == {b"kept", b"elsewhere", b"gone"}
    await stage.sweeper().sweep()
    assert await stage.everywhere() == before
    assert stage.contents() == {b"kept", b"elsewhere"}
    assert stage.left == ["gone"]
    assert (stage.figures.gone, stage.figures.ends) == ({"conversations": 1}, [True])


async def test_time_alone_makes_a_conversation_go(stage: _Stage) -> None:
    await stage.says(ALICE, conversation_days=DAYS)
    await stage.talk("talk", age=timedelta(0))
    await stage.sweeper().sweep()
    assert await stage.there() == {"talk"}
    await stage.says(ALICE, conversation_days=DAYS)  # anew, so that the tenant is due
    stage.clock.ahead = OUTLIVED
    await stage.sweeper().sweep()
    assert await stage.there() == set()


async def test_archived_ones_have_days_of_their_own(stage: _Stage) -> None:
    await stage.says(ALICE, archived_days=DAYS)
    await stage.talk("archived", age=OUTLIVED, archived=True)
    await stage.talk("archived of late", age=KEPT, archived=True, owner=BOB)
    await stage.talk("open", age=OUTLIVED)
    await stage.sweeper().sweep()
    assert await stage.there() == {"archived of late", "open"}


@pytest.mark.parametrize("state", [state for state in RunState if not state.is_terminal])
async def test_where_something_goes_on_nothing_goes(stage: _Stage, state: RunState) -> None:
    await stage.says(ALICE, conversation_days=DAYS, event_days=DAYS)
    busy, idle = [await stage.talk(key, age=OUTLIVED) for key in ("busy", "idle")]
    run = queued_run(busy)
    await stage.store.write(ALICE, lambda tx: tx.runs.add(run))
    async with stage.engine.begin() as connection:
        await connection.execute(update(runs).where(runs.c.id == run.id).values(state=state))
    await stage.sweeper().sweep()
    assert await stage.there() == {"busy"}
    assert stage.left == [idle.id]


async def test_what_somebody_touches_between_the_look_and_the_burial_stays(stage: _Stage) -> None:
    talk = await stage.talk("talk", age=OUTLIVED)
    before = stage.now - timedelta(days=DAYS)
    async with stage.engine.begin() as connection:
        await connection.execute(update(conversations).values(updated_at=micros(stage.now)))
    buried = await stage.store.write_system(
        lambda tx: tx.bury_untouched(ALICE.tenant, [talk.id], before, archived_only=False)
    )
    assert buried == Buried()
    assert await stage.there() == {"talk"}


async def test_events_go_from_the_beginning_of_each_log_and_leave_no_hole(stage: _Stage) -> None:
    await stage.says(ALICE, event_days=DAYS)
    plain, odd = [await stage.talk(key, age=timedelta(0)) for key in ("plain", "odd")]
    elsewhere = await stage.talk("elsewhere", age=timedelta(0), owner=ALICE_ELSEWHERE)
    await stage.log(plain, [OUTLIVED, OUTLIVED, KEPT, KEPT])
    # A clock was set back: what is behind a younger event stays.
    await stage.log(odd, [OUTLIVED, KEPT, OUTLIVED])
    await stage.log(elsewhere, [OUTLIVED] * 2)
    await stage.sweeper().sweep()
    assert [await stage.sequences(talk) for talk in (plain, odd, elsewhere)] == [[3, 4], [2, 3], [1, 2]]
    assert await stage.there() == {"plain", "odd", "elsewhere"}
    assert stage.figures.gone == {"events": 3}


async def test_records_of_the_audit_go_by_their_days(stage: _Stage) -> None:
    await stage.says(ALICE, audit_days=DAYS)
    # What is a moment too old may be a moment too young by the database's clock, which would refuse the whole unit.
    ages = {"old": OUTLIVED, "doubtful": timedelta(days=DAYS, milliseconds=1), "young": KEPT}
    for owner in (ALICE, ALICE_ELSEWHERE):
        for name, age in ages.items():
            record = audit_record(owner, created_at=stage.now - age, request_id=name)
            await stage.store.write(owner, lambda tx, record=record: tx.audit.add(record))  # type: ignore[misc]
    # A process whose clock is before the database's loses nothing by it, and its sweep comes to its end.
    stage.clock.ahead = timedelta(days=DAYS)
    await stage.sweeper().sweep()
    assert await _names(stage, ALICE) == ["doubtful", "young"]
    assert await _names(stage, ALICE_ELSEWHERE) == ["doubtful", "old", "young"]
    assert stage.figures.ends == [True]


async def test_a_tenant_that_has_said_nothing_loses_nothing(stage: _Stage) -> None:
    await stage.full("talk", age=timedelta(days=9999))
    await stage.says(ALICE_ELSEWHERE, conversation_days=1, archived_days=1, event_days=1, audit_days=1)
    before = await stage.everywhere()
    await stage.sweeper().sweep()
    assert await stage.everywhere() == before
    assert stage.contents() == {b"talk"}


async def test_two_at_once_do_the_work_once(stage: _Stage) -> None:
    for owner in (ALICE, ALICE_ELSEWHERE):
        await stage.says(owner, conversation_days=DAYS)
        for number in range(60):  # more than a unit buries
            await stage.talk(f"talk {number}", age=OUTLIVED, owner=owner)
    await asyncio.gather(stage.sweeper().sweep(), stage.sweeper().sweep())
    await stage.sweeper().sweep()  # who loses the claim of one tenant looks again later
    assert await stage.there() == set()
    assert (len(stage.left), len(set(stage.left))) == (120, 120)
    assert (stage.figures.gone, stage.figures.ends) == ({"conversations": 120}, [True, True])


@pytest.mark.parametrize("step", STEPS)
async def test_what_a_sweeper_leaves_half_done_the_next_one_does(
    stage: _Stage, step: str, dies: Callable[[str], None]
) -> None:
    before = await stage.everywhere()
    await _due(stage)
    dies(step)
    await stage.sweeper(lease=timedelta(0)).sweep()
    assert failpoint._ARMED[step].reached == 1
    assert stage.figures.ends == [False]
    await stage.sweeper().sweep()
    assert stage.figures.ends == [False, True]
    after = await stage.everywhere()
    # Only the conversation whose log is cut, its last event, and what belongs to no conversation have come.
    assert {name for name in after if after[name] != before[name]} == {"conversations", "run_events", "webhooks"}
    assert await stage.there() == {"cut"}
    assert stage.contents() == set()


async def test_the_next_one_waits_until_the_first_is_surely_dead(stage: _Stage, dies: Callable[[str], None]) -> None:
    await _due(stage)
    dies("retention.claimed")
    for _ in range(2):
        await stage.sweeper().sweep()
    assert stage.figures.ends == [False]
    assert len(await stage.there()) == 2


@pytest.mark.parametrize("is_buried", [False, True], ids=["at its sweep", "at its graves"])
async def test_what_goes_wrong_in_one_tenant_stops_no_other(stage: _Stage, *, is_buried: bool) -> None:
    bad = await stage.full("gone", age=OUTLIVED)  # of acme, which comes before rival
    await stage.full("gone as well", age=OUTLIVED, owner=ALICE_ELSEWHERE)
    for owner in (ALICE, ALICE_ELSEWHERE):
        if is_buried:
            await stage.store.write_system(lambda tx, owner=owner: tx.bury_of(owner, limit=9))  # type: ignore[misc]
        else:
            await stage.says(owner, conversation_days=DAYS)
    broken = _Broken(stage.files, bad)
    for _ in range(2):
        await stage.sweeper(lease=timedelta(0), blobs=broken).sweep()
        assert stage.contents() == {b"gone"}
        assert len(await stage.there()) == 1
    await stage.sweeper().sweep()
    assert (stage.contents(), await stage.there()) == (set(), set())


class _Broken(DirectoryBlobs):
    """Cannot destroy one of its contents."""

    def __init__(self, path: Path, bad: FileId) -> None:
        super().__init__(path)
        self._bad = bad

    async def delete(self, file_ids: Collection[FileId]) -> None:
        """Destroy contents, unless the bad one is among them."""
        if self._bad in file_ids:
            raise InjectedFault
        await super().delete(file_ids)


async def _due(stage: _Stage) -> None:
    """A tenant with something to do at every step."""
    await stage.says(ALICE, conversation_days=DAYS, event_days=DAYS, audit_days=DAYS)
    await stage.full("gone", age=OUTLIVED)
    await stage.log(await stage.talk("cut", age=timedelta(0)), [OUTLIVED, OUTLIVED, KEPT])
    record = audit_record(created_at=stage.now - OUTLIVED)
    await stage.store.write(ALICE, lambda tx: tx.audit.add(record))


async def _names(stage: _Stage, owner: Owner) -> list[str]:
    """The records of a tenant's audit."""
    found = await stage.store.read(owner, lambda tx: tx.audit.of_tenant(AuditFilter(), limit=99, after=None))
    return sorted(record.request_id for record in found)
