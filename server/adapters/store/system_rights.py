"""What the service's own transaction has of data rights: graves, erasures, retention."""

from collections.abc import Collection
from datetime import datetime

from server.adapters.store import erasures, graves, tenant_retention, traces
from server.adapters.store.executor import Executor
from server.domain.erasure import Erasure
from server.domain.ids import ConversationId, ErasureId, FileId
from server.domain.principal import Owner
from server.domain.retention import Retention
from server.domain.run import Lease
from server.ports.erasures import Buried


class StoredRights:
    """See `ports.erasures.Graves`, `ports.erasures.Erasures` and `ports.retention.Retentions`."""

    __slots__ = ("_executor", "gone")

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.gone: list[ConversationId] = []
        """Conversations that were buried, whose readers have to be told once this is committed."""

    async def bury_of(self, owner: Owner, *, limit: int) -> Buried:
        """Bury some conversations of a user."""
        return self._noted(await graves.bury_of(self._executor, owner, limit=limit))

    async def untouched(
        self, tenant: str, before: datetime, *, archived_only: bool, limit: int
    ) -> list[ConversationId]:
        """Conversations in which nothing happened since a moment."""
        return await graves.untouched(self._executor, tenant, before, archived_only=archived_only, limit=limit)

    async def bury_untouched(
        self, tenant: str, found: Collection[ConversationId], before: datetime, *, archived_only: bool
    ) -> Buried:
        """Bury those of them of which that still holds."""
        buried = await graves.bury_untouched(self._executor, tenant, found, before, archived_only=archived_only)
        return self._noted(buried)

    async def buried_contents(self, tenant: str, *, limit: int) -> list[FileId]:
        """Contents of files in buried conversations."""
        return await graves.buried_contents(self._executor, tenant, limit=limit)

    async def forget_contents(self, file_ids: list[FileId]) -> int:
        """Delete the rows of contents that are destroyed."""
        return await graves.forget_contents(self._executor, file_ids)

    async def dig(self, tenant: str, *, limit: int) -> int:
        """Delete rows of buried conversations."""
        return await graves.dig(self._executor, tenant, limit=limit)

    async def tenant_with_graves(self, after: str = "") -> str | None:
        """A tenant with buried conversations."""
        return await graves.tenant_with_graves(self._executor, after)

    async def bar(self, user: Owner, now: datetime) -> None:
        """Revoke every key of a user."""
        await erasures.bar(self._executor, user, now)

    async def erasure(self, erasure_id: ErasureId) -> Erasure | None:
        """The erasure of that id."""
        return await erasures.find_erasure(self._executor, erasure_id)

    async def claim_erasure(self, lease: Lease, now: datetime, *, only: ErasureId | None = None) -> Erasure | None:
        """Take an erasure that is nobody's."""
        return await erasures.claim_erasure(self._executor, lease, now, only=only)

    async def hold_erasure(self, erasure_id: ErasureId, lease: Lease, *, conversations: int = 0, rows: int = 0) -> bool:
        """Renew a claim and count."""
        return await erasures.hold_erasure(self._executor, erasure_id, lease, conversations=conversations, rows=rows)

    async def erase_rows(self, user: Owner, *, limit: int) -> int:
        """Delete rows of the user's."""
        return await erasures.erase_rows(self._executor, user, limit=limit)

    async def contents_of(self, user: Owner, *, limit: int) -> list[FileId]:
        """Contents of the user's that belong to no conversation."""
        return await erasures.contents_of(self._executor, user, limit=limit)

    async def rename_traces(self, erasure: Erasure, *, limit: int) -> int:
        """Put the pseudonym in the place of the user's name."""
        return await traces.rename_traces(self._executor, erasure, limit=limit)

    async def end_erasure(self, erasure: Erasure, now: datetime) -> None:
        """Delete the user, and the name from the erasure."""
        await erasures.end_erasure(self._executor, erasure, now)

    async def retention(self, tenant: str) -> Retention | None:
        """What the tenant has said."""
        return await tenant_retention.find_retention(self._executor, tenant)

    async def claim_sweep(self, lease: Lease, now: datetime, *, not_since: datetime) -> str | None:
        """Take a tenant that is due and nobody's."""
        return await tenant_retention.claim_sweep(self._executor, lease, now, not_since=not_since)

    async def hold_sweep(self, tenant: str, lease: Lease) -> bool:
        """Renew a claim."""
        return await tenant_retention.hold_sweep(self._executor, tenant, lease)

    async def end_sweep(self, tenant: str, lease: Lease, now: datetime) -> None:
        """The tenant is swept."""
        await tenant_retention.end_sweep(self._executor, tenant, lease, now)

    async def conversations_behind(self, tenant: str, after: ConversationId, *, limit: int) -> list[ConversationId]:
        """Conversations of a tenant by id."""
        return await tenant_retention.conversations_behind(self._executor, tenant, after, limit=limit)

    async def drop_events(self, conversation_id: ConversationId, before: datetime, *, limit: int) -> int:
        """Delete the beginning of a log."""
        return await tenant_retention.drop_events(self._executor, conversation_id, before, limit=limit)

    async def drop_audit(self, tenant: str, before: datetime, *, limit: int) -> int:
        """Delete the oldest records of the audit."""
        return await tenant_retention.drop_audit(self._executor, tenant, before, limit=limit)

    def _noted(self, buried: Buried) -> Buried:
        self.gone.extend(buried.conversations)
        return buried
