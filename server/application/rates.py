"""Counts calls against the limits of who makes them, in memory: no call waits for the store."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from server.domain.limit_errors import RateLimited
from server.domain.principal import Principal
from server.domain.rates import WINDOW_SECONDS, CallLimits, Standing, Window
from server.ports.system import Clock

KEY: Final = "key"
USER: Final = "user"
TENANT: Final = "tenant"


class _Bound(NamedTuple):
    """One limit of a call."""

    kind: str
    digest: str
    limit: int


class Rates:
    """Calls of the last minute, by key, person and tenant.

    A call with a key counts for the key and its tenant, one in person for the person and the tenant. Who acts for
    another counts as who it is. A publishable key is everybody's who sees the page: it counts for itself only where it
    has a limit of its own, beside the person.

    What a process counts itself is exact. What others count is added as it becomes known, see `RateExchange`.
    """

    def __init__(self, *, clock: Clock, limits: CallLimits, is_shared: bool = False) -> None:
        """`is_shared`: whether others ask what was counted here, by `unreported`."""
        self._clock = clock
        self._limits = limits
        self._windows: dict[str, Window] = {}  # whoever was counted last stands last
        self._unreported: dict[str, int] | None = {} if is_shared else None

    def admit(self, principal: Principal) -> Standing | None:
        """Count a call, and tell where its caller stands with the nearest limit; `None` where there is no limit. Raises
        `RateLimited`; then the call counts for nothing."""
        now, bounds = self._clock.monotonic(), tuple(self._bounds(principal))
        for bound in bounds:
            window = self._windows.get(bound.digest)
            if window is not None and window.used(now) >= bound.limit:
                raise RateLimited(bound.kind, window.standing(now, bound.limit))
        self._forget_idle(now)
        nearest = None
        for bound in bounds:
            window = self._touched(bound.digest)
            window.add(now)
            if self._unreported is not None:
                self._unreported[bound.digest] = self._unreported.get(bound.digest, 0) + 1
            standing = window.standing(now, bound.limit)
            if nearest is None or standing.remaining < nearest.remaining:
                nearest = standing
        return nearest

    def unreported(self) -> Mapping[str, int]:
        """Calls since the last time, by a digest of whose they are."""
        if not self._unreported:
            return {}
        counted, self._unreported = self._unreported, {}
        return counted

    def add_elsewhere(self, counts: Iterable[tuple[str, int]], *, then: float) -> None:
        """Take note of calls that others counted at a moment of this process' monotonic clock."""
        now = self._clock.monotonic()
        then = min(then, now)
        if int(then) < int(now) - WINDOW_SECONDS:
            return
        for digest, calls in counts:
            self._forget_idle(now)
            self._touched(digest).add_earlier(then, calls)

    def __len__(self) -> int:
        """Whose calls are remembered."""
        return len(self._windows)

    def _bounds(self, principal: Principal) -> Iterator[_Bound]:
        tenant, own = principal.owner.tenant, principal.requests_per_minute
        if principal.key_id is not None:
            limit = own or (0 if principal.is_person else self._limits.per_key)
            if limit:
                yield _Bound(KEY, _digest(KEY, tenant, principal.key_id), limit)
        if (principal.key_id is None or principal.is_person) and self._limits.per_user:
            yield _Bound(USER, _digest(USER, tenant, principal.actor or principal.owner.user), self._limits.per_user)
        if self._limits.per_tenant:
            yield _Bound(TENANT, _digest(TENANT, tenant, ""), self._limits.per_tenant)

    def _touched(self, digest: str) -> Window:
        window = self._windows.pop(digest, None) or Window()
        self._windows[digest] = window
        return window

    def _forget_idle(self, now: float) -> None:
        """Drop the first of which nothing counts any more, one more than a call adds: whoever stands before somebody
        idle has been idle for longer, so that the callers of the last minute are all that stays."""
        for _ in range(4):
            first = next(iter(self._windows), None)
            if first is None or self._windows[first].used(now):
                return
            del self._windows[first]


@lru_cache(maxsize=16384)
def _digest(kind: str, tenant: str, name: str) -> str:
    """A name for whose calls are counted that processes can exchange and that tells nobody who it is. 96 bits: two of
    a million have the same once in 10^17 times."""
    return blake2b("\0".join((kind, tenant, name)).encode(), digest_size=12).hexdigest()
