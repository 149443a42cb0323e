"""The transaction of the service itself, put together from its parts."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

from server.adapters.store import (
    all_storage,
    audit,
    awaited_calls,
    extractions,
    keys,
    leases,
    members,
    message_indexing,
    outbox,
    provisioning,
    rate_reports,
    retention,
    usage_calls,
)
from server.adapters.store.executor import Executor
from server.adapters.store.system_rights import StoredRights
from server.adapters.store.times import micros, moment
from server.adapters.store.webhook_queue import StoredWebhookQueue
from server.domain.audit import AuditRecord
from server.domain.ids import FileId, KeyId, OrganizationId, RunId, UploadId, WorkerId
from server.domain.key import ApiKey, KeyUse
from server.domain.organization import Member, Organization
from server.domain.outbox import Backlog, Outlet, Place, Removal, Span, Unpublished
from server.domain.principal import Owner
from server.domain.rate_report import RateReport
from server.domain.run import Lease, RunReference
from server.domain.storage import UploadGrant
from server.domain.usage import ModelCall


class StoredSystem(StoredRights):
    """See `ports.store.SystemTransaction`."""

    __slots__ = ("leaves_work", "webhook_queue")

    def __init__(self, executor: Executor) -> None:
        super().__init__(executor)
        self.webhook_queue = StoredWebhookQueue(executor)
        self.leaves_work = False
        """Whether a run was given back, which somebody else may claim once this is committed."""

    async def key_by_digest(self, digest: str) -> ApiKey | None:
        """The key of that digest, valid or not."""
        return await keys.key_by_digest(self._executor, digest)

    async def key_by_id(self, key_id: KeyId) -> ApiKey | None:
        """The key of that id, valid or not."""
        return await keys.key_by_id(self._executor, key_id)

    async def keys(self) -> list[ApiKey]:
        """All keys, the oldest first."""
        return await keys.all_keys(self._executor)

    async def add_key(self, key: ApiKey) -> None:
        """Store a new key."""
        await keys.add_key(self._executor, key)

    async def save_key(self, key: ApiKey) -> None:
        """Overwrite what may change of a key."""
        await keys.save_key(self._executor, key)

    async def count_uses(self, uses: Sequence[KeyUse]) -> None:
        """Add to the requests of each key's days."""
        await keys.count_uses(self._executor, uses)

    async def key_usage(self, key_id: KeyId, *, since: date) -> list[tuple[date, int]]:
        """Requests of each day."""
        return await keys.key_usage(self._executor, key_id, since=since)

    async def add_audit(self, record: AuditRecord) -> None:
        """Store a record of the audit."""
        await audit.add_audit(self._executor, record)

    async def revoke_key(self, key_id: KeyId, now: datetime) -> bool:
        """Revoke a key; `False` when there is none that is not revoked."""
        return await keys.revoke_key(self._executor, key_id, now)

    async def member(self, user: Owner) -> Member | None:
        """What a user is in the tenant's default organization."""
        return await provisioning.find_member(self._executor, user)

    async def provision(self, owner: Owner, now: datetime) -> None:
        """Make sure that the user and what belongs to the user's tenant exist."""
        await provisioning.provision(self._executor, owner, now)

    async def time(self) -> datetime:
        """The store's own time."""
        return moment(await self._executor.time())

    async def members(self, tenant: str) -> list[tuple[Organization, Member]]:
        """Every member of every organization of a tenant."""
        return await members.members_of_tenant(self._executor, tenant)

    async def lock_organization(self, tenant: str, name: str) -> tuple[Organization, list[Member]] | None:
        """The organization of that name, locked, with its members."""
        return await members.lock_organization(self._executor, tenant, name)

    async def set_member(self, tenant: str, organization_id: OrganizationId, member: Member) -> None:
        """Store a member or overwrite it."""
        await members.set_member(self._executor, tenant, organization_id, member)

    async def renew_leases(self, lease: Lease, held: Collection[RunId]) -> dict[RunId, int]:
        """Extend the leases that `lease.worker` holds on those runs."""
        return await leases.renew_leases(self._executor, lease, held)

    async def void_leases(self) -> int:
        """Let every lease end now."""
        return await leases.void_leases(self._executor)

    async def release_lease(self, run_id: RunId, *, epoch: int, worker: WorkerId) -> bool:
        """Give a run back."""
        released = await leases.release_lease(self._executor, run_id, epoch=epoch, worker=worker)
        self.leaves_work |= released
        return released

    async def claimable(self, now: datetime, *, limit: int) -> list[RunReference]:
        """Runs that wait for a worker, the oldest first."""
        return await leases.claimable(self._executor, now, limit=limit)

    async def expired_calls(self, now: datetime, *, limit: int) -> list[RunReference]:
        """Runs with tool calls whose time to wait is over."""
        return await awaited_calls.expired_calls(self._executor, now, limit=limit)

    async def expiring_calls(self, now: datetime, *, until: datetime, limit: int) -> list[RunReference]:
        """Runs with tool calls of whose near end nobody was warned."""
        return await awaited_calls.expiring_calls(self._executor, now, until=until, limit=limit)

    async def known_files(self, file_ids: Collection[FileId]) -> set[FileId]:
        """Those of the ids that are a file's."""
        return await all_storage.known_files(self._executor, file_ids)

    async def forget_requests(self, before: datetime, *, limit: int) -> int:
        """Drop outdated request ids."""
        return await retention.forget_requests(self._executor, before, limit=limit)

    async def forget_answers(self, now: datetime, *, limit: int) -> int:
        """Drop expired answers of the response cache."""
        return await retention.forget_answers(self._executor, now, limit=limit)

    async def lapsed_calls(self, now: datetime, *, begun_before: datetime, limit: int) -> list[tuple[Owner, ModelCall]]:
        """Open calls whose time is over."""
        return await usage_calls.lapsed_calls(
            self._executor, micros(now), begun_before=micros(begun_before), limit=limit
        )

    async def due_extractions(self, now: datetime, *, limit: int) -> list[tuple[Owner, RunId]]:
        """Extractions of memories that nobody has brought to their end."""
        return await extractions.due_extractions(self._executor, now, limit=limit)

    async def want_events(self, until: datetime, *, outlet: Outlet = Outlet.PUBLISHER) -> None:
        """Have events kept for a publisher."""
        await outbox.want_events(self._executor, until, outlet=outlet)

    async def hold_outbox(
        self,
        publisher: WorkerId,
        *,
        now: datetime,
        until: datetime,
        wanted_until: datetime,
        outlet: Outlet = Outlet.PUBLISHER,
    ) -> int | None:
        """Take or renew the lease on the outbox."""
        times = {"now": now, "until": until, "wanted_until": wanted_until}
        return await outbox.hold_outbox(self._executor, publisher, **times, outlet=outlet)

    async def release_outbox(self, publisher: WorkerId, *, outlet: Outlet = Outlet.PUBLISHER) -> None:
        """Give the outbox back."""
        await outbox.release_outbox(self._executor, publisher, outlet=outlet)

    async def unpublished(self, after: Place, *, limit: int) -> list[Unpublished]:
        """Unpublished events behind a place."""
        return await outbox.unpublished(self._executor, after, limit=limit)

    async def mark_published(self, spans: Sequence[Span], *, publisher: WorkerId, epoch: int) -> bool:
        """Mark events as published."""
        return await outbox.mark_published(self._executor, spans, publisher=publisher, epoch=epoch)

    async def removals(self, *, limit: int) -> list[Removal]:
        """Deletions that are not told yet."""
        return await outbox.removals(self._executor, limit=limit)

    async def forget_removals(self, gone: Sequence[Removal], *, publisher: WorkerId, epoch: int) -> bool:
        """Drop deletions that were told."""
        return await outbox.forget_removals(self._executor, gone, publisher=publisher, epoch=epoch)

    async def backlog(self) -> Backlog:
        """How much waits in the outbox."""
        return await outbox.backlog(self._executor)

    async def forget_wish(self, now: datetime) -> bool:
        """Stop keeping events that nobody has wanted for long."""
        return await outbox.forget_wish(self._executor, now)

    async def index_is_whole(self) -> bool:
        """Whether every message is indexed."""
        return await message_indexing.index_is_whole(self._executor)

    async def index_older(self, *, limit: int) -> bool:
        """Index some messages of before there was an index."""
        return await message_indexing.index_older(self._executor, limit=limit)

    async def index_needs_cleaning(self) -> bool:
        """Whether the index holds words of deleted messages."""
        return await message_indexing.index_needs_cleaning(self._executor)

    async def clean_index(self, *, effort: int) -> bool:
        """Remove some of those words."""
        return await message_indexing.clean_index(self._executor, effort=effort)

    async def add_rate_report(self, report: RateReport) -> None:
        """Store a report of calls."""
        await rate_reports.add_rate_report(self._executor, report)

    async def rate_reports(self, *, since: datetime, but_of: str) -> list[RateReport]:
        """Those of others since a moment."""
        return await rate_reports.rate_reports(self._executor, since=since, but_of=but_of)

    async def forget_rate_reports(self, before: datetime, *, limit: int) -> int:
        """Drop old ones."""
        return await rate_reports.forget_rate_reports(self._executor, before, limit=limit)

    async def take_grant(self, upload_id: UploadId, now: datetime) -> tuple[Owner, UploadGrant] | None:
        """Take a leave to upload away."""
        return await all_storage.take_grant(self._executor, upload_id, now)

    async def forget_grants(self, before: datetime, *, limit: int) -> int:
        """Drop leaves to upload that are over."""
        return await retention.forget_grants(self._executor, before, limit=limit)

    async def file_owner(self, file_id: FileId) -> Owner | None:
        """Whose file that is."""
        return await all_storage.file_owner(self._executor, file_id)
