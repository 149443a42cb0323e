"""What the service's own transaction has of how long tenants keep what; see `ports.store` for what holds of every part
of one."""

from datetime import datetime
from typing import Protocol

from server.domain.ids import ConversationId
from server.domain.retention import Retention
from server.domain.run import Lease


class Retentions(Protocol):
    """What tenants have said, who sweeps which tenant, and what has outlived its time."""

    async def retention(self, tenant: str) -> Retention | None:
        """What the tenant has said; `None`: nothing, so everything is kept."""

    async def claim_sweep(self, lease: Lease, now: datetime, *, not_since: datetime) -> str | None:
        """Take a tenant whose data was not swept since a moment and is nobody's at `now` (the store's time): first such
        as nobody has left half done."""

    async def hold_sweep(self, tenant: str, lease: Lease) -> bool:
        """Renew the claim of the lease's worker; `False`: another has it, and the unit must be undone."""

    async def end_sweep(self, tenant: str, lease: Lease, now: datetime) -> None:
        """The tenant is swept."""

    async def conversations_behind(self, tenant: str, after: ConversationId, *, limit: int) -> list[ConversationId]:
        """Conversations of a tenant by id, ascending, behind one; `""` is before all."""

    async def drop_events(self, conversation_id: ConversationId, before: datetime, *, limit: int) -> int:
        """Delete events of a conversation from the beginning of its log on: at most so many, all older than a moment,
        and none at or behind the first of a run that is not over, or one that waits to be
        published. Returns how many."""

    async def drop_audit(self, tenant: str, before: datetime, *, limit: int) -> int:
        """Delete records of the audit that are older than a moment, the oldest first; returns how many. The database
        refuses what the tenant's `audit_days` keep."""
