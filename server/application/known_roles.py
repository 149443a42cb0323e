"""Which role a user has in the tenant, remembered for so short a time that a change is soon heard of."""

from dataclasses import dataclass
from typing import Final

from server.domain.ids import default_organization_id
from server.domain.organization import MemberRole
from server.domain.principal import Owner
from server.ports.store import Store
from server.ports.system import Clock

CHANGE_SECONDS: Final = 1.0
"""A role that was changed counts after this long, wherever it was changed."""
_KNOWN: Final = 16384


@dataclass(frozen=True, slots=True)
class _Seen:
    """A role as the store had it at `at`, a monotonic time."""

    role: MemberRole | None
    at: float


class KnownRoles:
    """Roles in the default organizations of tenants. A member's is looked up at most once a second; that somebody is
    none is not remembered."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: dict[Owner, _Seen] = {}

    async def of(self, owner: Owner) -> MemberRole | None:
        """The role; `None` for who is no active member. Raises `StoreUnavailable`."""
        seen = self._seen.get(owner)
        if seen is None or seen.role is None or self._clock.monotonic() - seen.at >= CHANGE_SECONDS:
            seen = await self._look_up(owner)
        return seen.role

    async def _look_up(self, owner: Owner) -> _Seen:
        at, organization = self._clock.monotonic(), default_organization_id(owner.tenant)
        found = await self._store.read(owner, lambda tx: tx.organizations.membership(organization))
        # Taken out first, so that the oldest look-up is the first to go.
        self._seen.pop(owner, None)
        if len(self._seen) >= _KNOWN:
            del self._seen[next(iter(self._seen))]
        self._seen[owner] = _Seen(None if found is None else found.role, at)
        return self._seen[owner]
