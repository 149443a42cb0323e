"""What a transaction of the store has of API keys; see `ports.store` for what holds of every part of one."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol

from server.domain.ids import KeyId
from server.domain.key import ApiKey, KeyUse

if TYPE_CHECKING:
    from server.ports.store import ListPosition


class ApiKeys(Protocol):
    """The owner's keys."""

    async def add(self, key: ApiKey) -> None:
        """Store a new one."""

    async def get(self, key_id: KeyId) -> ApiKey | None:
        """The one of that id."""

    async def lock(self, key_id: KeyId) -> ApiKey | None:
        """As `get`, and no other unit changes it until this one is over."""

    async def page(self, *, limit: int, after: "ListPosition | None") -> list[ApiKey]:
        """By `created_at` then id, both descending, those that are revoked or expired included."""

    async def save(self, key: ApiKey) -> None:
        """Overwrite name, description, scopes, limit, `expires_at` and, unless it is set already, `revoked_at`."""

    async def usage(self, key_id: KeyId, *, since: date) -> list[tuple[date, int]]:
        """Requests of each day (UTC) on which there were any, the earliest first."""


class AllKeys(Protocol):
    """Every key, for the service itself."""

    async def key_by_digest(self, digest: str) -> ApiKey | None:
        """The key of that digest, valid or not."""

    async def key_by_id(self, key_id: KeyId) -> ApiKey | None:
        """The key of that id, valid or not."""

    async def keys(self) -> list[ApiKey]:
        """All keys, the oldest first."""

    async def add_key(self, key: ApiKey) -> None:
        """Store a new key."""

    async def save_key(self, key: ApiKey) -> None:
        """As `ApiKeys.save`."""

    async def revoke_key(self, key_id: KeyId, now: datetime) -> bool:
        """Revoke a key; `False` when there is none that is not revoked."""

    async def count_uses(self, uses: Sequence[KeyUse]) -> None:
        """Add to the requests of each key's days, and note when the key was last used. Keys that are gone are passed
        over."""

    async def key_usage(self, key_id: KeyId, *, since: date) -> list[tuple[date, int]]:
        """As `ApiKeys.usage`."""
