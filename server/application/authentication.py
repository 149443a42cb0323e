"""Who is calling: turns a credential, and the user it speaks for, into the principal of the call."""

import hmac
from dataclasses import dataclass, replace
from typing import Final

from server.application.keys import KeyFactory, is_well_formed
from server.domain.errors import FieldViolation, InvalidField, KeyInvalid, KeyMissing, ScopeMissing
from server.domain.key import ApiKey, KeyStyle
from server.domain.principal import IMPERSONATE_SCOPE, WILDCARD_SCOPE, Owner, Principal
from server.ports.store import Store
from server.ports.system import Clock

ON_BEHALF_OF: Final = "x-on-behalf-of"
REVOCATION_SECONDS: Final = 1.0
"""A key that was revoked elsewhere opens nothing after this long."""
_CACHED_KEYS: Final = 4096
_KNOWN_SUBJECTS: Final = 16384
_LONGEST_SUBJECT: Final = 255
# Compared with when the store knows no key of a digest, so that the unknown takes the time of the known.
_NO_DIGEST: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class _Seen:
    """A key as the store had it at `at`, a monotonic time."""

    key: ApiKey
    principal: Principal
    at: float


class Authenticator:
    """Recognises callers. Remembers keys for at most a second, and only such as the store knows: guesses cost a look-up
    each and push nobody out."""

    def __init__(self, *, store: Store, clock: Clock, factory: KeyFactory) -> None:
        self._store = store
        self._clock = clock
        self._factory = factory
        self._seen: dict[str, _Seen] = {}
        self._provisioned: dict[Owner, None] = {}

    async def authenticate(self, credential: str | None, on_behalf_of: str | None) -> Principal:
        """The principal of a call. `on_behalf_of` names the user of the key's tenant for whom it acts; `None`: its own.

        Raises `KeyMissing`, `KeyInvalid`, `ScopeMissing` (acting for another needs `users:impersonate`),
        `InvalidField` (nobody is named), `StoreUnavailable`.
        """
        if not credential:
            raise KeyMissing
        digest = self._factory.digest(credential)
        seen = self._seen.get(digest)
        if seen is None or self._clock.monotonic() - seen.at >= REVOCATION_SECONDS:
            seen = await self._look_up(credential, digest)
        # A publishable key is no secret: it counts only together with a user's token, which is not taken here.
        if not seen.key.is_valid(self._clock.now()) or seen.key.style is KeyStyle.PUBLISHABLE:
            raise KeyInvalid
        if on_behalf_of is None:
            return seen.principal
        return await self._impersonate(seen.principal, on_behalf_of)

    async def _look_up(self, credential: str, digest: str) -> _Seen:
        if not is_well_formed(credential):
            raise KeyInvalid
        at = self._clock.monotonic()
        key = await self._store.read_system(lambda tx: tx.key_by_digest(digest))
        if not hmac.compare_digest(_NO_DIGEST if key is None else key.digest, digest) or key is None:
            self._seen.pop(digest, None)
            raise KeyInvalid
        principal = Principal(owner=key.owner, scopes=key.scopes, key_id=key.id)
        return self._remember(digest, _Seen(key, principal, at))

    def _remember(self, digest: str, seen: _Seen) -> _Seen:
        # Taken out first, so that the order of the dict is the order of the look-ups and the oldest one goes.
        self._seen.pop(digest, None)
        if len(self._seen) >= _CACHED_KEYS:
            del self._seen[next(iter(self._seen))]
        self._seen[digest] = seen
        return seen

    async def _impersonate(self, principal: Principal, on_behalf_of: str) -> Principal:
        """Act for another user with the key's own rights; an empty name never falls back to the key's user."""
        if not principal.has_scope(IMPERSONATE_SCOPE):
            raise ScopeMissing(IMPERSONATE_SCOPE)
        subject = Owner(tenant=principal.owner.tenant, user=_subject(on_behalf_of))
        if subject not in self._provisioned:
            now = self._clock.now()
            await self._store.write_system(lambda tx: tx.provision(subject, now))
            if len(self._provisioned) >= _KNOWN_SUBJECTS:
                del self._provisioned[next(iter(self._provisioned))]
            self._provisioned[subject] = None
        return replace(principal, owner=subject, actor=principal.owner.user)


def _subject(on_behalf_of: str) -> str:
    """The user named. Raises `InvalidField` for nobody, everybody (`*`) and names that cannot be one."""
    user = on_behalf_of.strip()
    if not user or user == WILDCARD_SCOPE or len(user) > _LONGEST_SUBJECT or not user.isprintable():
        raise InvalidField([FieldViolation(ON_BEHALF_OF, f"must name one user, 1 to {_LONGEST_SUBJECT} characters")])
    return user
