"""API keys as they are stored: never the secret, only its digest."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from server.domain.ids import KeyId
from server.domain.principal import Owner
from server.domain.spending import UNBOUNDED, Budget, Payer

MOST_REQUESTS_PER_MINUTE: Final = 1_000_000
"""The highest limit that a key can have."""


class KeyStyle(StrEnum):
    """How a key looks: `sk_live_…`, the archive API's `ayeto-…`, or the publishable `pk_live_…`."""

    SECRET = "sk"  # noqa: S105 - a style, not a secret
    ARCHIVE = "ayeto"
    PUBLISHABLE = "pk"


class KeyEnvironment(StrEnum):
    """What a key is for; shown in its prefix."""

    LIVE = "live"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class ShownKey:
    """All of a key that its owner is shown."""

    id: KeyId
    prefix: str
    style: KeyStyle
    environment: KeyEnvironment
    scopes: tuple[str, ...]
    created_at: datetime
    name: str = ""
    description: str = ""
    requests_per_minute: int | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    budget: Budget = UNBOUNDED


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key."""

    id: KeyId
    owner: Owner
    digest: str
    """Hex HMAC-SHA-256 of the whole key under the pepper."""
    prefix: str
    """The key's first characters, enough to recognise it, too few to use it."""
    style: KeyStyle
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    environment: KeyEnvironment = KeyEnvironment.LIVE
    name: str = ""
    description: str = ""
    requests_per_minute: int | None = None
    """How often it may be used; `None`: as often as any key."""
    last_used_at: datetime | None = None
    """To within the seconds for which uses are counted together."""
    budget: Budget = UNBOUNDED
    """What may be spent by it, if that is less than what every key may spend."""
    account: KeyId | None = None
    """The first of the keys whose place it has taken; `None`: it took no key's."""

    @property
    def payer(self) -> Payer:
        """The key as one who pays."""
        return Payer(self.id, self.account or self.id, self.budget)

    def is_valid(self, now: datetime) -> bool:
        """Whether the key opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    @property
    def shown(self) -> ShownKey:
        """The key without what could be held against a guess."""
        return ShownKey(
            id=self.id,
            prefix=self.prefix,
            style=self.style,
            environment=self.environment,
            scopes=tuple(sorted(self.scopes)),
            created_at=self.created_at,
            name=self.name,
            description=self.description,
            requests_per_minute=self.requests_per_minute,
            expires_at=self.expires_at,
            revoked_at=self.revoked_at,
            last_used_at=self.last_used_at,
            budget=self.budget,
        )


@dataclass(frozen=True, slots=True)
class KeyUse:
    """How often a key was used on a day (UTC), and when last."""

    key_id: KeyId
    day: date
    requests: int
    last_used_at: datetime


def ending(key: ApiKey, now: datetime, overlap: timedelta) -> ApiKey:
    """The key when another has taken its place: it ends after the overlap, zero being now, if not sooner."""
    if not overlap:
        return replace(key, revoked_at=now)
    end = now + overlap
    return replace(key, expires_at=end if key.expires_at is None else min(key.expires_at, end))
