"""What users are in the tenant, remembered for so short a time that a change is soon heard of."""

from dataclasses import dataclass
from typing import Final

from server.domain.organization import Member
from server.domain.principal import Owner
from server.ports.store import Store, SystemTransaction
from server.ports.system import Clock

CHANGE_SECONDS: Final = 1.0
"""A role that was changed counts after this long, wherever it was changed; who is to be erased is refused by then."""
_KNOWN: Final = 16384


@dataclass(frozen=True, slots=True)
class _Seen:
    """A member as the store had it at `at`, a monotonic time."""

    member: Member
    at: float


class KnownRoles:
    """Members of the default organizations of tenants. Each is looked up at most once a second, and who is not yet a
    user becomes one: at the first call, and after an erasure."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: dict[Owner, _Seen] = {}

    async def of(self, owner: Owner) -> Member:
        """The member; inactive if removed. Raises `UserBeingErased`, `StoreUnavailable`."""
        seen, at = self._seen.get(owner), self._clock.monotonic()
        if seen is not None and at - seen.at < CHANGE_SECONDS:
            return seen.member
        # Taken out first, so that the oldest look-up is the first to go.
        self._seen.pop(owner, None)
        member = await self._store.read_system(lambda tx: tx.member(owner)) or await self._made(owner)
        if len(self._seen) >= _KNOWN:
            del self._seen[next(iter(self._seen))]
        self._seen[owner] = _Seen(member, at)
        return member

    async def _made(self, owner: Owner) -> Member:
        now = self._clock.now()

        async def unit(tx: SystemTransaction) -> Member:
            await tx.provision(owner, now)
            member = await tx.member(owner)
            assert member is not None  # noqa: S101 - it has just been made
            return member

        return await self._store.write_system(unit)
