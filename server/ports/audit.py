"""What a transaction of the store has of the audit; see `ports.store` for what holds of every part of one.

Records are only ever added: the database itself refuses to change or delete one.
"""

from typing import TYPE_CHECKING, Protocol

from server.domain.audit import AuditFilter, AuditRecord

if TYPE_CHECKING:
    from server.ports.store import ListPosition


class Audit(Protocol):
    """Records of the owner's tenant."""

    async def add(self, record: AuditRecord) -> None:
        """Store one with the unit that does what it tells. Its tenant and its subject are the owner's, whatever it
        says."""

    async def on_behalf_of_owner(
        self, wanted: AuditFilter, *, limit: int, after: "ListPosition | None"
    ) -> list[AuditRecord]:
        """What others did in the owner's name, by `created_at` then id, both descending."""

    async def of_tenant(self, wanted: AuditFilter, *, limit: int, after: "ListPosition | None") -> list[AuditRecord]:
        """Records of the whole tenant, by `created_at` then id, both descending. Who asks must be allowed to."""


class AllAudit(Protocol):
    """The audit, for the service itself."""

    async def add_audit(self, record: AuditRecord) -> None:
        """Store a record as it is."""
