"""The real store with a hand in the door: what a test does just before a unit is written, or just after its commit."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from server.adapters.tools.server_config import ToolServerConfig
from server.domain.errors import StoreUnavailable
from server.domain.limits import Limits
from server.domain.principal import Owner
from server.ports.store import Store, SystemTransaction, Transaction
from tests.support.house import QUICK, House, open_house
from tests.support.scripted_provider import ScriptedProvider

Result = TypeVar("Result")
Hook = Callable[[], Awaitable[None]]


async def _nothing() -> None:
    pass


class HookedStore:
    """Implements `ports.store.Store` over another one. Hooks concern the writes of owners only.

    `before` runs before a unit is passed on, so that raising there refuses it; `after` runs once it is committed and
    before its caller hears of that. A store that is `gone` takes nothing any more: to the store behind, the process has
    crashed.
    """

    def __init__(self, store: Store, *, before: Hook = _nothing, after: Hook = _nothing) -> None:
        self._store = store
        self.before = before
        self.after = after
        self.gone = False

    async def read(self, owner: Owner, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """As the store."""
        self._check()
        return await self._store.read(owner, work)

    async def write(self, owner: Owner, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """As the store, between the hooks."""
        await self.before()
        self._check()
        result = await self._store.write(owner, work)
        await self.after()
        return result

    async def read_system(self, work: Callable[[SystemTransaction], Awaitable[Result]]) -> Result:
        """As the store."""
        self._check()
        return await self._store.read_system(work)

    async def write_system(self, work: Callable[[SystemTransaction], Awaitable[Result]]) -> Result:
        """As the store."""
        self._check()
        return await self._store.write_system(work)

    async def scrub(self) -> None:
        """As the store."""
        self._check()
        await self._store.scrub()

    def _check(self) -> None:
        if self.gone:
            raise StoreUnavailable


@asynccontextmanager
async def hooked_house(
    folder: Path,
    provider: ScriptedProvider,
    *,
    limits: Limits = QUICK,
    before: Hook = _nothing,
    after: Hook = _nothing,
    tools: Sequence[ToolServerConfig] = (),
) -> AsyncIterator[tuple[House, HookedStore]]:
    """A house and its store, whose hooks are in force from the start and may be changed."""
    stores: list[HookedStore] = []

    def wrap(store: Store) -> HookedStore:
        stores.append(HookedStore(store, before=before, after=after))
        return stores[0]

    async with open_house(folder, provider, limits=limits, wrap=wrap, tools=tools) as house:
        yield house, stores[0]
