"""How much the audit takes of somebody who is refused again and again: enough to see it, never more than that."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.system import SystemIds
from server.application import refusals as module
from server.application.audit import Audit
from server.application.refusals import EACH, WINDOW_SECONDS, Refusals
from server.domain.audit import REFUSED, Act, AuditFilter, AuditRecord
from server.domain.errors import ConversationNotFound, ScopeMissing, StoreUnavailable
from server.domain.identity_errors import KeyNotFound
from server.domain.ids import KeyId
from server.domain.principal import Owner, Principal
from server.ports.store import Store
from tests.integration.rpc.manual_clock import ManualClock

ANNA = Owner("acme", "anna")
METHOD = "parley.v1.ThreadService/CreateThread"


class FailingStore:
    """A store that may be away."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_away = False

    async def write_system(self, work: Any) -> Any:
        if self.is_away:
            raise StoreUnavailable
        return await self._store.write_system(work)


@dataclass(frozen=True, slots=True)
class Desk:
    """Refusals over a store, and a clock that stands still."""

    refusals: Refusals
    store: Store
    failing: FailingStore
    clock: ManualClock

    async def refuse(self, times: int = 1, *, key: str = "k", actor: str | None = None) -> None:
        caller = Principal(ANNA, frozenset(), KeyId(key), actor=actor, request_id="r")
        for _ in range(times):
            await self.refusals.call(caller, METHOD, ScopeMissing("conversations:write"))

    async def told(self) -> list[AuditRecord]:
        """What the audit tells, the oldest first."""
        found = await self.store.read(ANNA, lambda tx: tx.audit.of_tenant(AuditFilter(), limit=1000, after=None))
        return found[::-1]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = ManualClock()
    async with open_store(f"sqlite+aiosqlite:///{tmp_path / 'audit.db'}", feed=LocalFeed()) as store:
        failing: Any = FailingStore(store)
        refusals = Refusals(store=failing, clock=clock, audit=Audit(clock=clock, ids=SystemIds()))
        yield Desk(refusals, store, failing, clock)


async def test_the_first_are_told_each_and_the_others_counted(desk: Desk) -> None:
    await desk.refuse(EACH + 1000)
    told = await desk.told()
    assert [record.times for record in told] == [1] * EACH
    desk.clock.move(WINDOW_SECONDS)
    await desk.refusals.write()
    last = (await desk.told())[-1]
    assert (last.times, last.outcome, last.reason, last.actor) == (1000, REFUSED, "SCOPE_MISSING", "anna")
    await desk.refusals.write(everything=True)
    assert len(await desk.told()) == EACH + 1


async def test_after_a_minute_each_is_told_again(desk: Desk) -> None:
    await desk.refuse(EACH + 5)
    desk.clock.move(WINDOW_SECONDS)
    await desk.refuse(1)
    assert [record.times for record in await desk.told()] == [*[1] * EACH, 5, 1]


async def test_one_caller_uses_up_nothing_of_anothers(desk: Desk) -> None:
    await desk.refuse(EACH + 1)
    await desk.refuse(1, key="another")
    await desk.refuse(1, actor="bert")
    assert [(record.key_id, record.actor) for record in (await desk.told())[EACH:]] == [
        ("another", "anna"),
        ("k", "bert"),
    ]


async def test_callers_that_are_remembered_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CALLERS", 3)
    await desk.refuse(EACH + 7, key="first")
    for number in range(20):
        await desk.refuse(1, key=f"k-{number}")
    assert len(desk.refusals._windows) <= 3
    assert [record.times for record in await desk.told() if record.key_id == "first"] == [*[1] * EACH, 7]


async def test_what_was_counted_is_told_as_the_service_ends(desk: Desk) -> None:
    async with Refusals(store=desk.store, clock=desk.clock, audit=Audit(clock=desk.clock, ids=SystemIds())) as refusals:
        caller = Principal(ANNA, frozenset(), None)
        for _ in range(EACH + 3):
            await refusals.impersonation(caller, "bert", ScopeMissing("users:impersonate"))
    deeds = [record.deed for record in await desk.told()]
    assert (deeds[-1].act, deeds[-1].object) == (
        Act.IMPERSONATION_BEGAN,
        "bert",
    )
    assert sum(record.times for record in await desk.told()) == EACH + 3


async def test_a_store_that_is_away_refuses_nobody_less_and_counts_are_kept(desk: Desk) -> None:
    await desk.refuse(EACH + 4)
    desk.failing.is_away = True
    desk.clock.move(WINDOW_SECONDS)
    await desk.refusals.write()
    await desk.refuse(1, key="another")
    desk.failing.is_away = False
    await desk.refusals.write()
    assert [record.times for record in await desk.told()] == [*[1] * EACH, 4]


async def test_mistakes_are_not_told_and_names_of_nobody_not_kept(desk: Desk) -> None:
    caller = Principal(ANNA, frozenset(), None)
    await desk.refusals.call(caller, METHOD, ConversationNotFound("talk"))
    assert await desk.told() == []
    await desk.refusals.impersonation(caller, "*", ScopeMissing("users:impersonate"))
    await desk.refusals.call(caller, METHOD, KeyNotFound("a key"))
    assert [record.deed.object for record in await desk.told()] == ["", f"{METHOD}/a key"]
