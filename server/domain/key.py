"""API keys as they are stored: never the secret, only its digest."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from server.domain.ids import KeyId
from server.domain.principal import Owner


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

    def is_valid(self, now: datetime) -> bool:
        """Whether the key opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
