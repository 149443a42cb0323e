"""The tables. They are declared with SQLModel and read as rows; nothing here is ever loaded as an object.

Every column is stored as the drivers of both databases take and give it, so that a row costs no conversion that is not
asked for: ids are text, times are microseconds since 1970 in UTC, nested values are JSON text. Every row names its
tenant and its owner. What belongs to a conversation goes with it.
"""

from typing import Final

from sqlalchemy import Index, Integer, Table
from sqlmodel import Field

from server.adapters.store import columns
from server.adapters.store.account_tables import ApiKeyRow, MembershipRow, ModelRow, OrganizationRow, UserRow
from server.adapters.store.audit_tables import AuditRow, KeyUsageRow
from server.adapters.store.columns import EMPTY, STRING, WHOLE, ZERO, OwnedRow, Row, of, partial
from server.adapters.store.context_tables import CompactionRow, ModelRequestRow, RequestTextRow
from server.adapters.store.memory_tables import ExtractionRow, MemoryBookRow, MemoryRow
from server.adapters.store.outbox_tables import EventPublisherRow, EventRemovalRow
from server.adapters.store.predicates import (
    HAS_ACTOR,
    HAS_BRANCH,
    HAS_RUN,
    IS_ACTIVE,
    IS_ASIDE,
    IS_BURIED,
    IS_OF_CONVERSATION,
    IS_QUEUED,
    IS_RUNNING,
    IS_UNPUBLISHED,
    IS_UNTOLD,
    IS_WAITING,
)
from server.adapters.store.rate_tables import RateReportRow
from server.adapters.store.rights_tables import ErasureRow, RetentionRow
from server.adapters.store.search_tables import MessageWordsRow
from server.adapters.store.storage_tables import FolderRow, StoredFileRow, UploadGrantRow
from server.adapters.store.tool_tables import ApprovalRow, ToolCallRow
from server.adapters.store.usage_tables import SpendingRow, UsageCallRow, UsageDayRow
from server.adapters.store.voice_tables import VoiceSessionRow
from server.adapters.store.webhook_tables import WebhookDeliveryRow, WebhookRow


class ConversationRow(OwnedRow, table=True):
    """A conversation and the counters from which its messages, queue and events get their numbers."""

    __tablename__ = "conversations"
    __table_args__ = (
        Index("uq_conversations_key", "tenant", "owner", "key", unique=True),
        Index("ix_conversations_updated_at", "tenant", "owner", "updated_at", "id"),
        Index("ix_conversations_created_at", "tenant", "owner", "created_at", "id"),
        partial("ix_conversations_buried", "tenant", "id", where=IS_BURIED),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    key: str = Field(sa_type=STRING)
    name: str = Field(sa_type=STRING)
    archived: int = Field(sa_type=Integer)
    organization_id: str | None = Field(sa_type=STRING)
    settings: str = Field(sa_type=STRING)
    generation: str = Field(sa_type=STRING)
    context_management: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)
    updated_at: int = Field(sa_type=WHOLE)
    last_position: int = Field(sa_type=WHOLE)
    last_ticket: int = Field(sa_type=WHOLE)
    last_sequence: int = Field(sa_type=WHOLE)
    branch: int = Field(sa_type=Integer, sa_column_kwargs={"server_default": "1"})
    model: str = Field(sa_type=STRING, sa_column_kwargs=EMPTY)
    image_model: str = Field(sa_type=STRING, sa_column_kwargs=EMPTY)
    summary: str = Field(sa_type=STRING, sa_column_kwargs=EMPTY)
    assistant_id: str | None = Field(sa_type=STRING)
    created_by: str | None = Field(sa_type=STRING)
    updated_by: str | None = Field(sa_type=STRING)
    accessed_by: str | None = Field(sa_type=STRING)
    accessed_at: int | None = Field(sa_type=WHOLE)


class SessionRow(OwnedRow, table=True):
    """A chat session."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_conversation", "conversation_id", "created_at", "id"),)

    id: str = Field(primary_key=True, sa_type=STRING)
    conversation_id: str = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    model_id: str = Field(sa_type=STRING)
    status: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)
    updated_at: int = Field(sa_type=WHOLE)


class MessageRow(OwnedRow, table=True):
    """A message. `position` is its place in the active history, `ticket` the one it drew when it had to wait. One that
    has left the active history has, instead of `position`, the branch it was written in and its place there."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("uq_messages_position", "conversation_id", "position", unique=True),
        partial("ix_messages_waiting", "conversation_id", "ticket", where=IS_WAITING),
        partial("ix_messages_actor", "tenant", "actor", where=HAS_ACTOR),
        partial("ix_messages_aside", "conversation_id", "position", where=IS_ASIDE),
        partial(
            "uq_messages_branch_position",
            *("conversation_id", "branch", "branch_position"),
            where=HAS_BRANCH,
            unique=True,
        ),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    conversation_id: str = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    role: str = Field(sa_type=STRING)
    content: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)
    status: str = Field(sa_type=STRING)
    position: int | None = Field(sa_type=WHOLE)
    branch: int | None = Field(sa_type=Integer)
    branch_position: int | None = Field(sa_type=WHOLE)
    ticket: int | None = Field(sa_type=WHOLE)
    run_id: str | None = Field(sa_type=STRING)
    session_id: str | None = Field(sa_type=STRING)
    model: str | None = Field(sa_type=STRING)
    provider: str | None = Field(sa_type=STRING)
    reasoning: str | None = Field(sa_type=STRING)
    tool_calls: str | None = Field(sa_type=STRING)
    tool_call_id: str | None = Field(sa_type=STRING)
    usage: str | None = Field(sa_type=STRING)
    image: str | None = Field(sa_type=STRING)
    message_metadata: str | None = Field(sa_type=STRING)
    provider_parts: str | None = Field(sa_type=STRING)
    actor: str | None = Field(sa_type=STRING)
    attachments: str | None = Field(sa_type=STRING)
    spoken: int | None = Field(sa_type=WHOLE)
    spoken_at: int | None = Field(sa_type=WHOLE)


class BranchRow(OwnedRow, table=True):
    """A branch of a conversation that has more than one. `length` is what it was when the branch was last active."""

    __tablename__ = "branches"

    conversation_id: str = Field(primary_key=True, sa_type=STRING, sa_column_args=(of("conversations"),))
    number: int = Field(primary_key=True, sa_type=Integer)
    parent: int | None = Field(sa_type=Integer)
    forked_at: int = Field(sa_type=WHOLE)
    cause: str = Field(sa_type=STRING)
    source_message_id: str | None = Field(sa_type=STRING)
    length: int = Field(sa_type=WHOLE)
    created_at: int = Field(sa_type=WHOLE)


class RunRow(OwnedRow, table=True):
    """A run. `ticket` is its message's, 0 when that did not wait; `lease_until` is 0 when no worker holds it."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_conversation", "conversation_id", "created_at", "id"),
        partial("ix_runs_actor", "tenant", "actor", where=HAS_ACTOR),
        partial("uq_runs_active", "conversation_id", where=IS_ACTIVE, unique=True),
        partial("ix_runs_leases", "lease_until", where=IS_RUNNING),
        partial("ix_runs_queue", "conversation_id", "ticket", where=IS_QUEUED),
        partial("ix_runs_queued", "created_at", "id", where=IS_QUEUED),
        partial("ix_runs_callers", "tenant", "owner", "caller", where=IS_RUNNING),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    conversation_id: str = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    conversation_key: str = Field(sa_type=STRING)
    state: str = Field(sa_type=STRING)
    user_message_id: str = Field(sa_type=STRING)
    model: str = Field(sa_type=STRING)
    provider: str = Field(sa_type=STRING)
    generation: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)
    epoch: int = Field(sa_type=WHOLE)
    ticket: int = Field(sa_type=WHOLE)
    lease_worker: str | None = Field(sa_type=STRING)
    lease_until: int = Field(sa_type=WHOLE)
    session_id: str | None = Field(sa_type=STRING)
    actor: str | None = Field(sa_type=STRING)
    started_at: int | None = Field(sa_type=WHOLE)
    ended_at: int | None = Field(sa_type=WHOLE)
    error: str | None = Field(sa_type=STRING)
    usage: str | None = Field(sa_type=STRING)
    options: str = Field(sa_type=STRING, sa_column_kwargs={"server_default": "{}"})
    rounds: int = Field(sa_type=Integer, sa_column_kwargs=ZERO)
    settled_epoch: int = Field(sa_type=WHOLE, sa_column_kwargs=ZERO)
    payer: str | None = Field(sa_type=STRING)
    caller: str = Field(sa_type=STRING, sa_column_kwargs=EMPTY)


class RunEventRow(OwnedRow, table=True):
    """An entry of a conversation's log; `payload` is JSON of the type that `kind` names. `unpublished` and `untold` are
    1 or 0: see `outbox` and `webhook_queue`."""

    __tablename__ = "run_events"
    __table_args__ = (
        partial("ix_run_events_run", "run_id", "sequence", where=HAS_RUN),
        partial("ix_run_events_unpublished", "conversation_id", "sequence", where=IS_UNPUBLISHED),
        partial("ix_run_events_untold", "conversation_id", "sequence", where=IS_UNTOLD),
        partial("ix_run_events_actor", "tenant", "actor", where=HAS_ACTOR),
    )

    conversation_id: str = Field(primary_key=True, sa_type=STRING, sa_column_args=(of("conversations"),))
    sequence: int = Field(primary_key=True, sa_type=WHOLE)
    created_at: int = Field(sa_type=WHOLE)
    run_id: str | None = Field(sa_type=STRING)
    epoch: int | None = Field(sa_type=WHOLE)
    actor: str | None = Field(sa_type=STRING)
    kind: str = Field(sa_type=STRING)
    payload: str = Field(sa_type=STRING)
    unpublished: int = Field(sa_type=Integer, sa_column_kwargs=ZERO)
    untold: int = Field(sa_type=Integer, sa_column_kwargs=ZERO)


class RequestRow(Row, table=True):
    """A request id and what came of it: the run it made, or the result of another write as JSON. What says something of
    a conversation goes with it."""

    __tablename__ = "requests"
    __table_args__ = (
        Index("ix_requests_run", "run_id"),
        Index("ix_requests_created_at", "created_at"),
        partial("ix_requests_conversation", "conversation_id", where=IS_OF_CONVERSATION),
    )

    tenant: str = Field(primary_key=True, sa_type=STRING)
    owner: str = Field(primary_key=True, sa_type=STRING)
    request_id: str = Field(primary_key=True, sa_type=STRING)
    fingerprint: str = Field(sa_type=STRING)
    run_id: str | None = Field(sa_type=STRING, sa_column_args=(of("runs"),))
    created_at: int = Field(sa_type=WHOLE)
    result: str | None = Field(sa_type=STRING)
    conversation_id: str | None = Field(sa_type=STRING, sa_column_args=(of("conversations"),))


class FileRow(OwnedRow, table=True):
    """What is known of a file; its content lies elsewhere. It goes with its conversation."""

    __tablename__ = "files"
    __table_args__ = (Index("ix_files_conversation", "conversation_id"),)

    id: str = Field(primary_key=True, sa_type=STRING)
    conversation_id: str = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    name: str = Field(sa_type=STRING)
    media_type: str = Field(sa_type=STRING)
    size: int = Field(sa_type=WHOLE)
    sha256: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)


class CachedAnswerRow(Row, table=True):
    """An answer of the response cache; `answer` is JSON, `key` a digest of everything it depends on, the conversation
    that in which the model gave it."""

    __tablename__ = "cached_answers"
    __table_args__ = (
        Index("ix_cached_answers_conversation", "conversation_id"),
        Index("ix_cached_answers_expires_at", "expires_at"),
    )

    tenant: str = Field(primary_key=True, sa_type=STRING)
    owner: str = Field(primary_key=True, sa_type=STRING)
    key: str = Field(primary_key=True, sa_type=STRING)
    conversation_id: str = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    answer: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)
    expires_at: int = Field(sa_type=WHOLE)


METADATA: Final = columns.METADATA
"""All tables."""


def _table(row: type[Row]) -> Table:
    return METADATA.tables[str(row.__tablename__)]


conversations: Final = _table(ConversationRow)
sessions: Final = _table(SessionRow)
messages: Final = _table(MessageRow)
branches: Final = _table(BranchRow)
runs: Final = _table(RunRow)
tool_calls: Final = _table(ToolCallRow)
approvals: Final = _table(ApprovalRow)
run_events: Final = _table(RunEventRow)
requests: Final = _table(RequestRow)
api_keys: Final = _table(ApiKeyRow)
users: Final = _table(UserRow)
organizations: Final = _table(OrganizationRow)
memberships: Final = _table(MembershipRow)
models: Final = _table(ModelRow)
files: Final = _table(FileRow)
cached_answers: Final = _table(CachedAnswerRow)
compactions: Final = _table(CompactionRow)
model_requests: Final = _table(ModelRequestRow)
request_texts: Final = _table(RequestTextRow)
audit: Final = _table(AuditRow)
key_usage: Final = _table(KeyUsageRow)
memories: Final = _table(MemoryRow)
rate_reports: Final = _table(RateReportRow)
extractions: Final = _table(ExtractionRow)
memory_books: Final = _table(MemoryBookRow)
usage_calls: Final = _table(UsageCallRow)
usage_days: Final = _table(UsageDayRow)
spending: Final = _table(SpendingRow)
event_publisher: Final = _table(EventPublisherRow)
event_removals: Final = _table(EventRemovalRow)
message_words: Final = _table(MessageWordsRow)
erasures: Final = _table(ErasureRow)
retention: Final = _table(RetentionRow)
folders: Final = _table(FolderRow)
stored_files: Final = _table(StoredFileRow)
upload_grants: Final = _table(UploadGrantRow)
voice_sessions: Final = _table(VoiceSessionRow)
webhooks: Final = _table(WebhookRow)
webhook_deliveries: Final = _table(WebhookDeliveryRow)
