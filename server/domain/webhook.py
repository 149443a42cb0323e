"""Webhooks: who outside is told of a tenant's runs and approvals, and what becomes of each telling."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from server.domain.ids import ConversationId, DeliveryId, RunId, WebhookId
from server.domain.principal import Owner


class WebhookEvent(StrEnum):
    """What a webhook can be told of; the `type` of what is sent."""

    RUN_QUEUED = "run.queued"
    RUN_STARTED = "run.started"
    RUN_COMPLETED = "run.completed"
    RUN_FAILED = "run.failed"
    RUN_CANCELLED = "run.cancelled"
    RUN_INTERRUPTED = "run.interrupted"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_EXPIRING = "approval.expiring"
    APPROVAL_DECIDED = "approval.decided"
    CLIENT_TOOLS_REQUESTED = "client_tools.requested"
    TEST = "webhook.test"
    """Sent because somebody asked for it, to whatever webhook."""


class DisabledReason(StrEnum):
    """Why a webhook is disabled."""

    BY_USER = "BY_USER"
    GONE = "GONE"
    """Its receiver says that it is."""
    FAILING = "FAILING"
    """Nothing was acknowledged for days."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    BEHIND = "BEHIND"
    """One of its conversation is ahead of it."""
    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    GIVEN_UP = "GIVEN_UP"


class DeliveryError(StrEnum):
    """Why an attempt failed: all that the tenant is told of it, besides the status of an answer."""

    STATUS = "STATUS"
    REFUSED_ADDRESS = "REFUSED_ADDRESS"
    REFUSED_URL = "REFUSED_URL"
    UNREACHABLE = "UNREACHABLE"
    TIMED_OUT = "TIMED_OUT"
    BROKEN = "BROKEN"
    TOO_OLD = "TOO_OLD"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as it is stored: nothing of it is secret."""

    id: WebhookId
    tenant: str
    created_by: str
    url: str
    created_at: datetime
    updated_at: datetime
    events: tuple[WebhookEvent, ...] = ()
    """None is all."""
    description: str = ""
    include_content: bool = False
    disabled_reason: DisabledReason | None = None
    generation: int = 1
    """How many secrets it has had."""
    previous_until: datetime | None = None
    """Until when the secret before counts, too."""
    failures: int = 0
    """Attempts that failed since the last one that did not."""
    failing_since: datetime | None = None
    quiet_until: datetime | None = None
    """No attempt is made before."""
    dropped: int = 0
    """Events that were not queued, for too many waited."""

    @property
    def is_enabled(self) -> bool:
        """Whether it is told of anything."""
        return self.disabled_reason is None

    def wants(self, event: WebhookEvent) -> bool:
        """Whether it is to be told of such."""
        return not self.events or event in self.events


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one webhook."""

    id: DeliveryId
    webhook_id: WebhookId
    owner: Owner
    """Whose conversation it is; of a test, who asked for it."""
    event: WebhookEvent
    occurred_at: datetime
    created_at: datetime
    conversation_id: ConversationId | None = None
    sequence: int = 0
    run_id: RunId | None = None
    facts: str = "{}"
    """What else is told, as JSON: ids and states, nothing that anybody wrote."""
    state: DeliveryState = DeliveryState.PENDING
    is_ordered: bool = True
    """Whether what comes later in the conversation waits for it."""
    attempts: int = 0
    attempted_at: datetime | None = None
    next_try: datetime | None = None
    status: int | None = None
    error: DeliveryError | None = None

    @property
    def message_id(self) -> str:
        """What the receiver knows it by, however often it comes."""
        return f"msg_{self.id.replace('-', '')}"


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery whose turn it is, with what is sent besides its own facts."""

    delivery: Delivery
    conversation_key: str = ""


@dataclass(frozen=True, slots=True)
class WebhookPolicy:
    """How webhooks are told of things. Everything but the counts can be set."""

    most: int = 10
    """How many webhooks a tenant may have."""
    allow_http: bool = False
    allow_private: bool = False
    """Whether addresses of this machine and of private networks may be called."""
    timeout: timedelta = timedelta(seconds=15)
    """How long an attempt may take in all."""
    attempts: int = 12
    first_pause: timedelta = timedelta(seconds=5)
    """After the first failure; each further pause is three times as long …"""
    longest_pause: timedelta = timedelta(hours=6)
    """… up to this: twelve attempts take about a day."""
    quiet_after: int = 5
    """After so many failures in a row a webhook is left alone for a while …"""
    longest_quiet: timedelta = timedelta(minutes=1)
    """… of this length at most, and then tried with one delivery."""
    give_up_after: timedelta = timedelta(days=3)
    """When nothing was acknowledged for so long, the webhook is disabled."""
    oldest: timedelta = timedelta(days=7)
    """What happened longer ago is not told any more."""
    backlog: int = 100_000
    """How many deliveries of a webhook may wait; what would be more is dropped and counted."""
    history: int = 10_000
    """How many deliveries that are over are kept of each webhook, at least."""
    window: int = 8
    """How many requests to one webhook are under way at a time …"""
    requests: int = 64
    """… to all of them, in each process …"""
    webhooks: int = 256
    """… and how many webhooks one process serves at a time."""
    look: timedelta = timedelta(seconds=1)
    """How often is looked for what is due though nobody told of it."""


LONGEST_OVERLAP: Final = timedelta(hours=168)
USUAL_OVERLAP: Final = timedelta(hours=24)
