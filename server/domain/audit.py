"""What the audit keeps: who did what, in whose name, by which call. Never content."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from server.domain.ids import AuditId, KeyId

DONE = "DONE"
"""The outcome of an act that was carried out; acts are recorded in the transaction that does them."""
REFUSED = "REFUSED"
"""The outcome of one that was not, because it was not for who wanted it."""
OPERATOR = "operator"
"""Stands for whoever operates the service, who needs no credential."""
SERVICE = "service"
"""Stands for the service, where it does something by itself."""


class Act(StrEnum):
    """A kind of act that leaves a record."""

    KEY_CREATED = "key.create"
    KEY_UPDATED = "key.update"
    KEY_ROTATED = "key.rotate"
    KEY_REVOKED = "key.revoke"
    ORGANIZATION_CREATED = "organization.create"
    MEMBER_SET = "member.set"
    MEMBER_REMOVED = "member.remove"
    CONVERSATION_DELETED = "conversation.delete"
    MEMORY_DELETED = "memory.delete"
    FILE_DELETED = "file.delete"
    FOLDER_DELETED = "folder.delete"
    TOOL_CALL_APPROVED = "approval.approve"
    TOOL_CALL_DENIED = "approval.deny"
    TOOL_CALLED = "tool.call"
    """A tool is called without a model; recorded before it is, for what comes of it may stay unknown."""
    VOICE_SESSION_CREATED = "voice_session.create"
    """A bot has joined a room for a conversation; the object is the room."""
    VOICE_SESSION_ENDED = "voice_session.end"
    """It is over, whoever or whatever ended it."""
    EXPORT_BEGAN = "export.begin"
    """Somebody begins to read everything that is the subject's; the object says how many records were read before."""
    EXPORT_ENDED = "export.end"
    """It was read to its end; the object says how many records that were."""
    ERASURE_REQUESTED = "erasure.request"
    """The object is the erasure, which tells whose."""
    ERASURE_ENDED = "erasure.end"
    """The subject's pseudonym stands for the name from now on."""
    RETENTION_SET = "retention.set"
    """How long the tenant keeps what; the object says so."""
    WEBHOOK_CREATED = "webhook.create"
    WEBHOOK_UPDATED = "webhook.update"
    WEBHOOK_DELETED = "webhook.delete"
    WEBHOOK_ROTATED = "webhook.rotate"
    """It was given another secret."""
    WEBHOOK_REDELIVERED = "webhook.redeliver"
    """The object is the webhook and the delivery."""
    WEBHOOK_DISABLED = "webhook.disable"
    """The service gave a webhook up; the object says which, and why."""
    IMPERSONATION_BEGAN = "impersonation.begin"
    """Somebody begins to act for another; whatever is only read is part of it."""
    PERMISSION_USED = "permission.use"
    """Somebody called a method; told where it was refused for want of a right. The object is the method, and the key
    that was not theirs."""
    IMPERSONATED_WRITE = "impersonation.write"
    """Somebody changed something in another's name; the object is the method."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What is done, and to what: an id or a name."""

    act: Act
    object: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One deed. `actor` and `subject` are users of the tenant and differ where one acted for the other."""

    id: AuditId
    tenant: str
    actor: str
    subject: str
    deed: Deed
    created_at: datetime
    request_id: str = ""
    """Of the call; empty for what no call did."""
    key_id: KeyId | None = None
    """The key that was presented; `None` for a person's token and for the operator."""
    outcome: str = DONE
    reason: str = ""
    """Why it was refused: an `ErrorReason` of the protos without its prefix."""
    times: int = 1
    """Of how many such acts the record tells; of more than one it names the last."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records are looked for; `None` is any."""

    actor: str | None = None
    subject: str | None = None
    act: str | None = None
    object: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Before this moment."""
    outcome: str | None = None
    by_others: bool = False
    """Only what others did in the subject's name."""
