"""Whatever step an erasure is broken off at, another process brings it to the same end, once."""

import json
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from server import failpoint
from server.adapters.blobs.directory import DirectoryBlobs
from server.adapters.store.personal_data import PERSONAL_DATA, Erased
from server.adapters.store.sqlite.schema import migrate
from server.adapters.store.tables import METADATA
from server.adapters.system import SystemClock, SystemIds
from server.application.audit import Audit
from server.domain.audit import Act, AuditFilter, AuditRecord
from server.domain.erasure import Erasure, ErasureState
from server.domain.ids import ErasureId, FileId, WorkerId
from server.domain.limits import Limits
from server.domain.principal import Owner
from server.engine.erasing import SETTLING, Erasing
from server.failpoint import InjectedFault
from server.ports.store import Store
from server.ports.system import Clock
from tests.contract.store.builders import new_id
from tests.contract.store.personal_rows import PersonalRows, dump, fill

ANN, BEA = Owner("acme", "ann-7f3a"), Owner("acme", "bea-91c2")
CANARY, OTHERS = "canary-c0ffee", "canary-of-others"
STEPS: Final = (
    *("erasure.claimed", "erasure.buried", "graves.contents_destroyed", "graves.digging"),
    *("erasure.contents_destroyed", "erasure.rows_deleted", "erasure.traces_renamed", "erasure.ending"),
    "erasure.ended",
)
LAST: Final = "erasure.ended"
Dies = Callable[[str], None]


@dataclass
class _Stage:
    store: Store
    engine: AsyncEngine
    blobs: DirectoryBlobs
    files: Path
    rows: PersonalRows = field(default_factory=lambda: PersonalRows(ANN, ANN, CANARY))

    def process(self, *, lease: timedelta = timedelta(minutes=10), clock: Clock | None = None) -> Erasing:
        """What erases in another process."""
        clock = clock or SystemClock()
        return Erasing(
            store=self.store,
            blobs=self.blobs,
            clock=clock,
            audit=Audit(clock=clock, ids=SystemIds()),
            limits=Limits(lease=lease),
            worker=WorkerId(new_id()),
            left=lambda _runs, _conversations: None,
            erased=lambda _user: None,
        )

    async def filled(self) -> None:
        """Ann has a row in every table, and a content; so has Bea, for whom Ann acted."""
        await fill(self.engine, self.rows)
        others = PersonalRows(BEA, ANN, OTHERS)
        await fill(self.engine, others, but=("retention",))
        for rows in (self.rows, others):
            for table, declared in PERSONAL_DATA.items():
                if declared.contents:
                    await self.blobs.put(FileId(rows.ids[table]), rows.canary.encode())

    async def begin(self, user: Owner = ANN) -> ErasureId:
        """Bea has a user erased; it is so long ago that nobody takes old credentials any more."""
        then = datetime.now(UTC) - SETTLING
        wanted = Erasure(ErasureId(new_id()), user, f"erased:{new_id()}", BEA.user, then)
        return (await self.store.write(BEA, lambda tx: tx.rights.begin_erasure(wanted))).id

    async def erasure(self, erasure_id: ErasureId) -> Erasure:
        """How far one has come."""
        found = await self.store.read_system(lambda tx: tx.erasure(erasure_id))
        assert found is not None
        return found

    async def ends(self) -> list[AuditRecord]:
        """What the audit says of ends of erasures."""
        wanted = AuditFilter(act=Act.ERASURE_ENDED)
        return await self.store.read(BEA, lambda tx: tx.audit.of_tenant(wanted, limit=9, after=None))

    async def assert_nothing_is_left(self) -> None:
        """No row and no content tells of Ann; what is Bea's is there."""
        after = await dump(self.engine)
        for name, rows in after.items():
            told = _texts([row for row in rows if row.get("tenant", ANN.tenant) == ANN.tenant])
            stays = PERSONAL_DATA[name].erased in (Erased.RENAMED, Erased.KEPT)
            for trace in (ANN.user, ANN.user_id, CANARY, *(() if stays else self.rows.ids.values())):
                assert trace not in told, f"{name} still holds {trace}"
        assert OTHERS in _texts(after["messages"])
        contents = {file.read_bytes() for file in self.files.rglob("*") if file.is_file()}
        assert contents == {OTHERS.encode()}


@pytest.fixture
async def stage(store: Store, unbound_url: str, tmp_path: Path) -> AsyncIterator[_Stage]:
    engine = create_async_engine(unbound_url)
    yield _Stage(store, engine, DirectoryBlobs(tmp_path / "files"), tmp_path / "files")
    await engine.dispose()


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Dies:
    """Has whoever is the first to come to a step die of it."""

    def arm(step: str) -> None:
        monkeypatch.setitem(failpoint._ARMED, step, failpoint.parse(f"{step}=raise")[step])

    return arm


@pytest.mark.parametrize("step", STEPS)
async def test_another_process_ends_what_one_has_left_at_any_step(stage: _Stage, step: str, dies: Dies) -> None:
    await stage.filled()
    begun = await stage.begin()
    dies(step)
    with pytest.raises(InjectedFault):
        await stage.process(lease=timedelta(0)).look()
    assert (await stage.erasure(begun)).state is (ErasureState.DONE if step == LAST else ErasureState.UNDER_WAY)
    assert len(await stage.ends()) == (1 if step == LAST else 0)
    await stage.process().look()
    ended = await stage.process().finish(begun)
    assert (ended.state, ended.user.user, ended.conversations) == (ErasureState.DONE, ended.pseudonym, 1)
    assert ended.rows > len(METADATA.sorted_tables) / 2
    await stage.assert_nothing_is_left()
    (told,) = await stage.ends()
    assert (told.actor, told.subject, told.deed.object) == (BEA.user, ended.pseudonym, ended.id)


async def test_a_process_that_starts_scrubs_the_name_that_a_killed_one_has_left_in_the_file(
    stage: _Stage, dies: Dies, sqlite_path: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "sqlite" not in request.getfixturevalue("database_url"):
        pytest.skip("PostgreSQL's files are its own: see SECURITY.md")
    await stage.filled()
    await stage.begin()
    dies(LAST)
    with pytest.raises(InjectedFault):
        await stage.process().look()
    # What a kill at this moment would leave.
    left = tmp_path / "left"
    left.mkdir()
    for file in sqlite_path.parent.glob(f"{sqlite_path.name}*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, left)
    assert _files_with(left, ANN.user)
    migrate(left / sqlite_path.name, busy_timeout=timedelta(seconds=5))
    assert _files_with(left, ANN.user) == []
    assert _files_with(left, OTHERS) == [sqlite_path.name]


async def test_nobody_takes_an_erasure_from_who_may_be_alive(stage: _Stage, dies: Dies) -> None:
    await stage.filled()
    begun = await stage.begin()
    dies("erasure.buried")
    with pytest.raises(InjectedFault):
        await stage.process().look()
    before = await dump(stage.engine)
    await stage.process().look()
    assert await dump(stage.engine) == before
    assert (await stage.erasure(begun)).state is ErasureState.UNDER_WAY


async def test_one_who_was_thought_dead_does_nothing_any_more(stage: _Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.filled()
    begun = await stage.begin()
    first, second = stage.process(lease=timedelta(0)), stage.process()
    forget, ends = stage.blobs.delete, []

    async def paused(file_ids: Any) -> None:
        # While the first one destroys contents the second comes, and goes all the way.
        monkeypatch.setattr(stage.blobs, "delete", forget)
        ends.append(await second.finish(begun))
        await forget(file_ids)

    monkeypatch.setattr(stage.blobs, "delete", paused)
    await first.look()
    assert await stage.erasure(begun) == ends[0]
    assert len(await stage.ends()) == 1
    await stage.assert_nothing_is_left()


async def test_what_goes_wrong_with_one_user_keeps_no_other_from_being_erased(stage: _Stage, dies: Dies) -> None:
    await stage.filled()
    first = await stage.begin()
    second = await stage.begin(BEA)
    dies("erasure.claimed")
    with pytest.raises(InjectedFault):
        await stage.process().look()
    await stage.process().look()
    states = {(await stage.erasure(each)).state for each in (first, second)}
    assert states == {ErasureState.UNDER_WAY, ErasureState.DONE}


async def test_it_lasts_until_nobody_takes_the_users_credentials_any_more(stage: _Stage) -> None:
    """A row that a call under way stores meanwhile goes as well."""
    await stage.filled()
    clock, late = _Late(stage), datetime.now(UTC)
    wanted = Erasure(ErasureId(new_id()), ANN, f"erased:{new_id()}", BEA.user, late)
    begun = await stage.store.write(BEA, lambda tx: tx.rights.begin_erasure(wanted))
    ended = await stage.process(clock=clock).finish(begun.id)
    assert clock.stored
    assert ended.state is ErasureState.DONE
    assert (await stage.erasure(begun.id)).ended_at is not None
    await stage.assert_nothing_is_left()


class _Late(SystemClock):
    """Has a call of the user's store something when the erasure first waits, having deleted all there was."""

    stored = False

    def __init__(self, stage: _Stage) -> None:
        self._stage = stage

    async def sleep(self, seconds: float) -> None:
        """Wait; the first time, a call comes to its end."""
        if not self.stored:
            self.stored = True
            table = METADATA.tables["folders"]
            async with self._stage.engine.begin() as connection:
                await connection.execute(insert(table).values(self._stage.rows.row(table)))
        await super().sleep(seconds)


def _files_with(directory: Path, text: str) -> list[str]:
    return [path.name for path in directory.iterdir() if text.encode() in path.read_bytes()]


def _texts(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, default=lambda value: value.decode(errors="replace"))
