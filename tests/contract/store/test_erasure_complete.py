"""An erasure leaves nothing of a user, in no table and no file, and touches nothing of anybody else's."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from server.adapters.blobs.directory import DirectoryBlobs
from server.adapters.store.personal_data import PERSONAL_DATA, Erased
from server.adapters.store.tables import METADATA, audit
from server.adapters.system import SystemClock, SystemIds
from server.application.audit import Audit
from server.application.erasures import Pseudonyms
from server.application.keys import KeyFactory
from server.domain.erasure import Erasure, ErasureState
from server.domain.ids import ErasureId, FileId, WorkerId, user_id
from server.domain.limits import Limits
from server.domain.principal import Owner
from server.domain.rights_errors import UserBeingErased
from server.engine.erasing import Erasing
from server.ports.store import Store
from tests.contract.store.builders import new_id
from tests.contract.store.personal_rows import PersonalRows, dump, fill

ANN, BEA = Owner("acme", "ann-7f3a"), Owner("acme", "bea-91c2")
ANN_ELSEWHERE = Owner("rival", ANN.user)
CANARY, OTHERS = "canary-c0ffee", "canary-of-others"
PSEUDONYM = Pseudonyms(KeyFactory(b"0123456789abcdef")).of(ANN, ErasureId("1"))


@dataclass
class _Stage:
    store: Store
    engine: AsyncEngine
    blobs: DirectoryBlobs
    files: Path
    erasing: Erasing

    async def begin(self, wanted: Erasure) -> Erasure:
        return await self.store.write(BEA, lambda tx: tx.rights.begin_erasure(wanted))

    async def erase(self) -> Erasure:
        wanted = Erasure(ErasureId(new_id()), ANN, PSEUDONYM, ANN.user, datetime.now(UTC))
        begun = await self.store.write(ANN, lambda tx: tx.rights.begin_erasure(wanted))
        return await self.erasing.finish(begun.id)


@pytest.fixture
async def stage(store: Store, unbound_url: str, tmp_path: Path) -> AsyncIterator[_Stage]:
    blobs = DirectoryBlobs(tmp_path / "files")
    clock, ids = SystemClock(), SystemIds()
    erasing = Erasing(
        store=store,
        blobs=blobs,
        clock=clock,
        audit=Audit(clock=clock, ids=ids),
        limits=Limits(),
        worker=WorkerId(new_id()),
        left=lambda _runs, _conversations: None,
        erased=lambda _user: None,
    )
    engine = create_async_engine(unbound_url)
    yield _Stage(store, engine, blobs, tmp_path / "files", erasing)
    await engine.dispose()


async def _filled(stage: _Stage) -> PersonalRows:
    """Ann has a row in every table; so has Bea, for whom Ann acted, and a user of Ann's name elsewhere."""
    ann = PersonalRows(ANN, ANN, CANARY)
    await fill(stage.engine, ann)
    bea = PersonalRows(BEA, ANN, OTHERS)
    await fill(stage.engine, bea, but=("retention",))
    elsewhere = PersonalRows(ANN_ELSEWHERE, ANN_ELSEWHERE, OTHERS)
    await fill(stage.engine, elsewhere)
    for rows in (ann, bea, elsewhere):
        await stage.blobs.put(FileId(rows.ids["files"]), rows.canary.encode())
    return ann


def _texts(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, default=lambda value: value.decode(errors="replace"))


async def test_nothing_of_the_user_is_left(stage: _Stage) -> None:
    ann = await _filled(stage)
    before = await dump(stage.engine)
    of_nobody = {"erasures"} | {name for name, declared in PERSONAL_DATA.items() if declared.erased is Erased.KEPT}
    assert {table.name for table in METADATA.sorted_tables if not _of(before[table.name], ANN)} == of_nobody
    ended = await stage.erase()
    assert ended.state is ErasureState.DONE
    after = await dump(stage.engine)
    for name, rows in after.items():
        of_tenant = _texts([row for row in rows if row.get("tenant") == ANN.tenant])
        stays = PERSONAL_DATA[name].erased in (Erased.RENAMED, Erased.KEPT)
        for trace in (ANN.user, ANN.user_id, CANARY, *(() if stays else ann.ids.values())):
            assert trace not in of_tenant, f"{name} still holds {trace}"
    named = {name for name, rows in after.items() if PSEUDONYM in _texts(rows)}
    of_others = {"messages", "runs", "run_events", "requests"}
    assert named <= of_others | {name for name, declared in PERSONAL_DATA.items() if declared.erased is Erased.RENAMED}
    assert not _files_with(stage.files, CANARY.encode())
    assert len([file for file in stage.files.rglob("*") if file.is_file()]) == 2


async def test_nobody_elses_rows_are_touched_but_for_the_name(stage: _Stage) -> None:
    await _filled(stage)
    before = await dump(stage.engine)
    await stage.erase()
    after = await dump(stage.engine)
    for name in before:
        wanted = [_renamed(row) for row in before[name] if row.get("tenant") == ANN.tenant and row["owner"] == BEA.user]
        assert _sorted(_of(after[name], BEA)) == _sorted(wanted), name
        assert _sorted(_of(after[name], ANN_ELSEWHERE)) == _sorted(_of(before[name], ANN_ELSEWHERE)), name


async def test_a_user_of_that_name_who_comes_later_starts_with_nothing(stage: _Stage) -> None:
    await _filled(stage)
    await stage.erase()
    now = datetime.now(UTC)
    await stage.store.write_system(lambda tx: tx.provision(ANN, now))
    rows = await dump(stage.engine)
    of_ann = {name for name in rows if _of(rows[name], ANN)}
    assert of_ann == {"users", "memberships", "organizations"}


async def test_while_it_goes_on_the_user_cannot_come_into_being_and_a_second_request_joins_the_first(
    stage: _Stage,
) -> None:
    await _filled(stage)
    now = datetime.now(UTC)
    wanted = [Erasure(ErasureId(new_id()), ANN, PSEUDONYM, BEA.user, now) for _ in range(2)]
    begun = [await stage.begin(one) for one in wanted]
    assert [erasure.id for erasure in begun] == [wanted[0].id] * 2
    with pytest.raises(UserBeingErased):
        await stage.store.write_system(lambda tx: tx.provision(ANN, now))
    with pytest.raises(UserBeingErased):
        await stage.store.read_system(lambda tx: tx.member(ANN))
    await stage.store.write_system(lambda tx: tx.provision(BEA, now))
    assert await stage.store.read_system(lambda tx: tx.member(BEA)) is not None
    # Two processes at once do each other no harm.
    done = await asyncio.gather(stage.erasing.finish(wanted[0].id), stage.erasing.finish(wanted[0].id))
    assert {erasure.state for erasure in done} == {ErasureState.DONE}


async def test_the_audit_lets_nothing_happen_but_the_renaming_of_who_is_being_erased(stage: _Stage) -> None:
    await _filled(stage)
    renamed = audit.update().where(audit.c.owner == ANN.user, audit.c.tenant == ANN.tenant).values(owner=PSEUDONYM)
    content = audit.update().where(audit.c.tenant == ANN.tenant).values(outcome="nothing happened")
    await _refused(stage.engine, renamed)
    wanted = Erasure(ErasureId(new_id()), ANN, PSEUDONYM, BEA.user, datetime.now(UTC))
    await stage.store.write(BEA, lambda tx: tx.rights.begin_erasure(wanted))
    await _refused(stage.engine, content)
    await _refused(stage.engine, renamed.values(owner="somebody"))
    await _refused(stage.engine, audit.update().where(audit.c.owner == BEA.user).values(owner=PSEUDONYM))
    await _refused(stage.engine, audit.delete())
    async with stage.engine.begin() as connection:
        await connection.execute(renamed)


async def test_the_file_of_the_database_and_its_journal_hold_no_byte_of_it(
    stage: _Stage, database_url: str, sqlite_path: Path
) -> None:
    if "sqlite" not in database_url:
        pytest.skip("PostgreSQL's files are its own: see SECURITY.md")
    await _filled(stage)
    assert _files_with(sqlite_path.parent, CANARY.encode())
    await stage.erase()
    left = _files_with(sqlite_path.parent, CANARY.encode())
    assert left == []


async def _refused(engine: AsyncEngine, statement: Any) -> None:
    with pytest.raises(DBAPIError, match="only ever added to"):
        async with engine.begin() as connection:
            await connection.execute(statement)


def _of(rows: list[dict[str, Any]], owner: Owner) -> list[dict[str, Any]]:
    return [row for row in rows if (row.get("tenant"), row.get("owner")) == (owner.tenant, owner.user)]


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    new = {ANN.user: PSEUDONYM, str(ANN.user_id): str(user_id(ANN.tenant, PSEUDONYM))}
    pattern = re.compile("|".join(map(re.escape, new)))
    return {
        name: pattern.sub(lambda match: new[match.group()], value) if isinstance(value, str) else value
        for name, value in row.items()
    }


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(_texts([row]) for row in rows)


def _files_with(directory: Path, text: bytes) -> list[str]:
    return [path.name for path in directory.rglob("*") if path.is_file() and text in path.read_bytes()]
