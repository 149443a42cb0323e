"""Which key a text is: looked up by digest, and remembered for so short a time that a revocation is soon heard of."""

import hmac
from dataclasses import dataclass
from typing import Final

from server.application.key_uses import KeyUses
from server.application.keys import KeyFactory, is_well_formed
from server.domain.errors import KeyInvalid
from server.domain.key import ApiKey
from server.ports.store import Store
from server.ports.system import Clock

REVOCATION_SECONDS: Final = 1.0
"""A key that was revoked elsewhere opens nothing after this long."""
_CACHED_KEYS: Final = 4096
# Compared with when the store knows no key of a digest, so that the unknown takes the time of the known.
_NO_DIGEST: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class _Seen:
    """A key as the store had it at `at`, a monotonic time."""

    key: ApiKey
    at: float


class KnownKeys:
    """Keys by their text. Remembers them for at most a second, and only such as the store knows: guesses cost a look-up
    each and push nobody out."""

    def __init__(self, *, store: Store, clock: Clock, factory: KeyFactory, uses: KeyUses) -> None:
        self._store = store
        self._clock = clock
        self._factory = factory
        self._uses = uses
        self._seen: dict[str, _Seen] = {}

    async def valid(self, text: str) -> ApiKey:
        """The key of that text. Raises `KeyInvalid` for what is none, nobody's, revoked or expired, and
        `StoreUnavailable`."""
        digest = self._factory.digest(text)
        seen = self._seen.get(digest)
        if seen is None or self._clock.monotonic() - seen.at >= REVOCATION_SECONDS:
            seen = await self._look_up(text, digest)
        if not seen.key.is_valid(self._clock.now()):
            raise KeyInvalid
        self._uses.count(seen.key)
        return seen.key

    async def _look_up(self, text: str, digest: str) -> _Seen:
        if not is_well_formed(text):
            raise KeyInvalid
        at = self._clock.monotonic()
        key = await self._store.read_system(lambda tx: tx.key_by_digest(digest))
        if not hmac.compare_digest(_NO_DIGEST if key is None else key.digest, digest) or key is None:
            self._seen.pop(digest, None)
            raise KeyInvalid
        return self._remember(digest, _Seen(key, at))

    def _remember(self, digest: str, seen: _Seen) -> _Seen:
        # Taken out first, so that the order of the dict is the order of the look-ups and the oldest one goes.
        self._seen.pop(digest, None)
        if len(self._seen) >= _CACHED_KEYS:
            del self._seen[next(iter(self._seen))]
        self._seen[digest] = seen
        return seen
