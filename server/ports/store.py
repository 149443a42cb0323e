"""The store: durable, transactional, bound to an owner.

A unit of work is one async function over a transaction. It awaits nothing but the transaction's own methods (on the
embedded store those complete at once: a thread drives the unit to its end without an event loop) and has no effect but
through them, for it may run in a savepoint beside others, or be run again after a lost connection or because a read
took longer than it may where it began.

Reads see one consistent moment. Writes are serialisable per conversation: a unit that reads, decides and writes calls
`conversations.lock…` first. When `write` returns, everything the unit did is durable and its events are published;
when it raises, nothing of it happened. Any exception of a unit passes through unchanged; a failure of the store
itself is `StoreUnavailable`.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from server.domain.conversation import Conversation, ConversationSummary
from server.domain.ids import ConversationId, OrganizationId, RunId, UserId, WorkerId
from server.domain.message import Usage
from server.domain.principal import Owner
from server.domain.run import Crowd, Lease, Run, RunError, RunReference, RunState
from server.ports import usage as usages
from server.ports.archive import Archive
from server.ports.audit import AllAudit, Audit
from server.ports.cached_answers import CachedAnswers
from server.ports.contexts import Compactions, ModelRequests
from server.ports.erasures import AllRights, TenantRights
from server.ports.event_logs import Events
from server.ports.exports import PersonalRecords
from server.ports.files import Files
from server.ports.histories import Branches, Messages
from server.ports.keys import AllKeys, ApiKeys
from server.ports.memories import AllExtractions, Extractions, Memories
from server.ports.message_search import IndexUpkeep, MessageIndex
from server.ports.organizations import AddedModels, AllMembers, Organizations
from server.ports.outbox import Outbox
from server.ports.rate_reports import RateReports
from server.ports.sessions import Sessions
from server.ports.storage import AllStorage, Storage
from server.ports.tool_calls import Approvals, ToolCalls
from server.ports.usage import AllUsage
from server.ports.voice import VoiceSessions
from server.ports.webhooks import WebhookQueue, Webhooks

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ListPosition:
    """Where a page of a list that is sorted by time (newest first) and id ended."""

    time: datetime
    id: str


class Conversations(Protocol):
    """The owner's conversations."""

    async def add(self, conversation: Conversation) -> None:
        """Store a new one. Raises `ConversationKeyTaken`."""

    async def get(self, key: str) -> Conversation | None:
        """The one of that key."""

    async def summary(self, key: str) -> ConversationSummary | None:
        """The one of that key, with what it is doing."""

    async def by_id(self, conversation_id: ConversationId) -> Conversation | None:
        """The one of that id."""

    async def lock(self, key: str) -> Conversation | None:
        """As `get`, and no other unit makes or changes it, or anything in it, until this one is over."""

    async def lock_by_id(self, conversation_id: ConversationId) -> Conversation | None:
        """As `by_id`, with the lock of `lock`."""

    async def page(
        self, *, include_archived: bool, limit: int | None, after: ListPosition | None
    ) -> list[ConversationSummary]:
        """By `updated_at` then id, both descending; `limit` None is all of them."""

    async def slice(self, *, offset: int, limit: int) -> list[Conversation]:
        """A window of those that are not archived, by `updated_at` then id, both descending."""

    async def count(self) -> int:
        """How many are not archived."""

    async def of_organization(self, organization_id: OrganizationId, *, include_unassigned: bool) -> list[Conversation]:
        """By `created_at` then id, both descending, archived included; `include_unassigned` adds those that belong to
        no organization."""

    async def save(self, conversation: Conversation) -> None:
        """Overwrite name, archived, settings, generation, context management, model, summary, `updated_at` and
        `updated_by`."""

    async def touch(
        self,
        conversation_id: ConversationId,
        now: datetime,
        *,
        by: UserId,
        model: str | None = None,
        image_model: str | None = None,
    ) -> None:
        """Set `updated_at` unless it is later, `updated_by` and, when they are given, model and image model."""

    async def record_access(self, conversation_id: ConversationId, now: datetime, *, by: UserId) -> None:
        """Set `accessed_at` and `accessed_by`."""

    async def delete(self, conversation_id: ConversationId) -> None:
        """Destroy it and everything in it."""


class Runs(Protocol):
    """Runs of the owner's conversations. Every change is conditional; `False` or `None` means it did not apply, because
    the run has moved on, and the caller must stop."""

    async def add(self, run: Run) -> None:
        """Store a new run, QUEUED, or RUNNING with its lease and epoch 1."""

    async def get(self, run_id: RunId) -> Run | None:
        """The run of that id."""

    async def active(self, conversation_id: ConversationId) -> Run | None:
        """The one active run of a conversation."""

    async def next_queued(self, conversation_id: ConversationId) -> Run | None:
        """The queued run whose message was accepted first."""

    async def count_queued(self, conversation_id: ConversationId) -> int:
        """How many runs wait."""

    async def crowd(self, run: Run) -> Crowd:
        """What stands beside a run that is not stored yet, in one look."""

    async def page(self, conversation_id: ConversationId, *, limit: int, after: ListPosition | None) -> list[Run]:
        """By `created_at` then id, both descending."""

    async def claim(self, run_id: RunId, *, expected_epoch: int, lease: Lease, now: datetime) -> Run | None:
        """Make a run of that epoch RUNNING with the lease and the next epoch: a QUEUED one whose conversation has no
        active run, or a RUNNING one whose lease has ended at `now` or is the same worker's."""

    async def hold(self, run_id: RunId, *, epoch: int) -> bool:
        """Whether the run is RUNNING in that epoch; if so nobody changes it until this unit is over. The first
        statement of every write of a worker."""

    async def park(self, run_id: RunId, *, epoch: int, state: RunState) -> bool:
        """Move a RUNNING run of that epoch to one of the parked states and drop its lease. Raises `ValueError` for any
        other state."""

    async def move(self, run_id: RunId, *, epoch: int, state: RunState) -> bool:
        """Move a parked run of that epoch to one of the parked states, which may be the same. Raises `ValueError` as
        `park`."""

    async def resume(self, run_id: RunId, *, expected_epoch: int, lease: Lease) -> Run | None:
        """Make a parked run of that epoch RUNNING with the lease and the next epoch. What came before does not count as
        an attempt: the epoch that it had is settled."""

    async def settle(self, run_id: RunId, *, epoch: int, rounds: int | None = None, usage: Usage | None = None) -> bool:
        """Note that a RUNNING run of that epoch has stored a step: this epoch is the first attempt of what follows.
        Sets `rounds` and `usage`, each when it is given."""

    async def end(
        self,
        run_id: RunId,
        *,
        epoch: int,
        state: RunState,
        now: datetime,
        error: RunError | None = None,
        usage: Usage | None = None,
    ) -> bool:
        """Move a run of that epoch that is not over to a terminal state and drop its lease."""


@dataclass(frozen=True, slots=True)
class RememberedRequest:
    """What a request id stands for: the fingerprint of its request, and the run it made, if it made one."""

    fingerprint: str
    run_id: RunId | None = None


class Requests(Protocol):
    """Request ids of the owner, which make writes repeatable."""

    async def find(self, request_id: str, *, not_before: datetime) -> RememberedRequest | None:
        """What was remembered under that id at or after `not_before`; if nothing, no other unit binds it meanwhile."""

    async def recall(self, request_id: str, result: type[Result]) -> Result:
        """What was remembered as the result of that id, a value of that dataclass."""

    async def remember(
        self,
        request_id: str,
        request: RememberedRequest,
        *,
        now: datetime,
        result: object | None = None,
        conversation_id: ConversationId | None = None,
    ) -> None:
        """Bind the id, replacing an outdated binding. A run must be stored already; the id is forgotten with it.
        `result` is a dataclass of the domain or the use cases, kept for `recall`. One that holds anything of a
        conversation names it, and the id is forgotten with that too."""


class Transaction(Protocol):
    """One transaction, bound to an owner: it sees and makes only that owner's rows."""

    @property
    def owner(self) -> Owner:
        """Whose rows it sees."""

    @property
    def conversations(self) -> Conversations: ...  # noqa: D102 - see the Protocol
    @property
    def messages(self) -> Messages: ...  # noqa: D102
    @property
    def message_index(self) -> MessageIndex: ...  # noqa: D102
    @property
    def branches(self) -> Branches: ...  # noqa: D102
    @property
    def runs(self) -> Runs: ...  # noqa: D102
    @property
    def events(self) -> Events: ...  # noqa: D102
    @property
    def sessions(self) -> Sessions: ...  # noqa: D102
    @property
    def files(self) -> Files: ...  # noqa: D102
    @property
    def organizations(self) -> Organizations: ...  # noqa: D102
    @property
    def models(self) -> AddedModels: ...  # noqa: D102
    @property
    def requests(self) -> Requests: ...  # noqa: D102
    @property
    def cached_answers(self) -> CachedAnswers: ...  # noqa: D102
    @property
    def archive(self) -> Archive: ...  # noqa: D102
    @property
    def keys(self) -> ApiKeys: ...  # noqa: D102
    @property
    def audit(self) -> Audit: ...  # noqa: D102
    @property
    def tool_calls(self) -> ToolCalls: ...  # noqa: D102
    @property
    def approvals(self) -> Approvals: ...  # noqa: D102
    @property
    def compactions(self) -> Compactions: ...  # noqa: D102
    @property
    def memories(self) -> Memories: ...  # noqa: D102
    @property
    def extractions(self) -> Extractions: ...  # noqa: D102
    @property
    def model_requests(self) -> ModelRequests: ...  # noqa: D102
    @property
    def usage(self) -> usages.Usage: ...  # noqa: D102
    @property
    def rights(self) -> TenantRights: ...  # noqa: D102
    @property
    def personal_records(self) -> PersonalRecords: ...  # noqa: D102
    @property
    def storage(self) -> Storage: ...  # noqa: D102
    @property
    def voice_sessions(self) -> VoiceSessions: ...  # noqa: D102
    @property
    def webhooks(self) -> Webhooks: ...  # noqa: D102


class SystemTransaction(
    AllAudit,
    AllExtractions,
    AllKeys,
    AllMembers,
    AllStorage,
    AllUsage,
    Outbox,
    IndexUpkeep,
    AllRights,
    RateReports,
    Protocol,
):
    """One transaction of the service itself, bound to no owner: credentials, provisioning, leases. The only place
    where a query does not filter by owner; no use case of a caller gets one."""

    @property
    def webhook_queue(self) -> WebhookQueue: ...  # noqa: D102 - see the Protocol

    async def provision(self, owner: Owner, now: datetime) -> None:
        """Make sure that the tenant, the user, the tenant's default organization and the user's membership of it
        (Owner for the tenant's first user, Member otherwise) exist. Raises `UserBeingErased`."""

    async def time(self) -> datetime:
        """The store's own time, by which leases are measured: the same for all processes that share the store, whatever
        their machines' clocks say."""

    async def renew_leases(self, lease: Lease, held: Collection[RunId]) -> dict[RunId, int]:
        """Extend the leases that `lease.worker` holds on those runs; returns the epoch of each that is still its."""

    async def void_leases(self) -> int:
        """Let every lease end now: at the start of a process that is the only one on its store. Returns how many were
        on runs."""

    async def release_lease(self, run_id: RunId, *, epoch: int, worker: WorkerId) -> bool:
        """Give a run back: its lease ends now, another worker may claim it at once."""

    async def claimable(self, now: datetime, *, limit: int) -> list[RunReference]:
        """RUNNING runs whose lease has ended, and the first QUEUED run of every conversation without an active one;
        the oldest first."""

    async def expired_calls(self, now: datetime, *, limit: int) -> list[RunReference]:
        """Runs with tool calls that await an approval or a client and whose time is over at `now`: each run once, the
        one whose call ended first at the head. Of so many calls at most."""

    async def expiring_calls(self, now: datetime, *, until: datetime, limit: int) -> list[RunReference]:
        """Likewise those with calls whose time ends after `now`, at `until` at the latest, and of which nobody was
        warned."""

    async def forget_requests(self, before: datetime, *, limit: int) -> int:
        """Drop request ids remembered before a moment, the oldest first; returns how many."""

    async def forget_answers(self, now: datetime, *, limit: int) -> int:
        """Drop cached answers that have expired at `now`, the oldest first; returns how many."""


class Store(Protocol):
    """The store. Opened and closed by whoever composes the service."""

    async def read(self, owner: Owner, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run a unit that only reads. Reads run beside each other and beside writes."""

    async def write(self, owner: Owner, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run a unit of work and commit it. Once the commit has begun, cancelling the caller does not undo it."""

    async def read_system(self, work: Callable[[SystemTransaction], Awaitable[Result]]) -> Result:
        """Run a unit of the service itself that only reads."""

    async def write_system(self, work: Callable[[SystemTransaction], Awaitable[Result]]) -> Result:
        """Run a unit of the service itself and commit it."""

    async def scrub(self) -> None:
        """Have nothing of what was deleted left in the store's files, as far as it can see to that: see SECURITY.md.
        Raises `StoreUnavailable`."""
