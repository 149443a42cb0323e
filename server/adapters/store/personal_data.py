"""What becomes of the rows of every table when a user's data is exported or erased. One entry per table.

A new table gets an entry here. The order is that of an export, and of an erasure behind the conversations; the users
come last, for as long as there is a row the user is known. `tests/architecture/test_personal_data.py` holds what is
said here against the tables, `tests/contract/store/test_erasure_complete.py` against what an erasure leaves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Erased(Enum):
    """How an erasure gets rid of a user's rows."""

    BY_OWNER = auto()
    """Deleted by `tenant` and `owner`, in batches: some index must begin with the two."""
    WITH_CONVERSATION = auto()
    """Deleted by `conversation_id`, in batches, before their conversation; deleting that deletes them, too."""
    WITH_PARENT = auto()
    """Deleted with the row of a table that comes earlier or later here, by a foreign key that cascades."""
    RENAMED = auto()
    """They stay, for they are not the user's alone; a pseudonym takes the place of the user's name."""
    KEPT = auto()
    """They stay as they are, for they say nothing of a user."""


@dataclass(frozen=True, slots=True)
class Personal:
    """What a table holds of a user, and what is done about it."""

    erased: Erased
    kind: str | None = None
    """Kind of its records in an export; `None`: not exported, and `why` says why not."""
    within: str | None = None
    """Column by which its rows are read when no index begins with `tenant` and `owner`: that of the conversation, or of
    the key."""
    hidden: tuple[str, ...] = ()
    """Columns that no export shows."""
    json: tuple[str, ...] = ()
    """Columns that hold JSON, which an export shows as what it is."""
    names: tuple[str, ...] = ()
    """Columns that name a user who need not be the owner."""
    ids: tuple[str, ...] = ()
    """Columns with the UUID of a user who need not be the owner."""
    named_in: str | None = None
    """A column of JSON whose members `actor` (a name) and `decided_by`, `created_by` … (UUIDs) may be of others."""
    contents: bool = False
    """Whether each row has a content of its id among the blobs."""
    why: str = ""
    """Why it is not exported, or stays."""


_C: Final = Erased.WITH_CONVERSATION
_BY = ("created_by", "updated_by", "accessed_by")
_NESTED = ("tool_calls", "usage", "image", "message_metadata", "attachments")

PERSONAL_DATA: Final[Mapping[str, Personal]] = {
    "conversations": Personal(
        Erased.BY_OWNER, "conversation", json=("settings", "generation", "context_management"), ids=_BY
    ),
    "sessions": Personal(_C, "session", "conversation_id"),
    "messages": Personal(_C, "message", "conversation_id", json=_NESTED, names=("actor",)),
    "message_words": Personal(Erased.WITH_PARENT, why="they are those of the messages, which are exported"),
    "branches": Personal(_C, "branch", "conversation_id"),
    "runs": Personal(
        _C, "run", "conversation_id", json=("generation", "error", "usage", "options", "payer"), names=("actor",)
    ),
    "tool_calls": Personal(_C, "tool_call", "conversation_id"),
    "approvals": Personal(_C, "approval", "conversation_id", ids=("decided_by",)),
    "run_events": Personal(_C, "event", "conversation_id", json=("payload",), names=("actor",), named_in="payload"),
    "compactions": Personal(_C, "compaction", "conversation_id"),
    "model_requests": Personal(_C, "model_request", "conversation_id", json=("generation", "files")),
    "request_texts": Personal(_C, "model_request_text", "conversation_id"),
    "voice_sessions": Personal(_C, "voice_session", "conversation_id"),
    "files": Personal(_C, "file", "conversation_id", contents=True),
    "stored_files": Personal(Erased.BY_OWNER, "stored_file", contents=True),
    "folders": Personal(Erased.BY_OWNER, "folder"),
    "upload_grants": Personal(Erased.BY_OWNER, "upload_grant"),
    "cached_answers": Personal(Erased.BY_OWNER, "cached_answer", hidden=("key",), json=("answer",)),
    "memories": Personal(Erased.BY_OWNER, "memory", hidden=("vector",)),
    "extractions": Personal(_C, why="what is about to become memories, which are exported; gone within minutes"),
    "memory_books": Personal(Erased.BY_OWNER, why="how many memories there are, and how often they changed"),
    "requests": Personal(Erased.BY_OWNER, named_in="result", why="marks of calls, which repeat what is exported"),
    "models": Personal(Erased.RENAMED, "model", names=("owner",), why="models belong to their organization"),
    "organizations": Personal(Erased.RENAMED, "organization", names=("owner",), why="they belong to the tenant"),
    "memberships": Personal(Erased.BY_OWNER, "membership"),
    "rate_reports": Personal(Erased.BY_OWNER, why="counts of calls by digests, gone after minutes; owned by processes"),
    "key_usage": Personal(Erased.WITH_PARENT, "key_usage", "key_id"),
    "api_keys": Personal(Erased.BY_OWNER, "api_key", hidden=("digest",), json=("budget",)),
    "usage_calls": Personal(_C, "model_call", "conversation_id", json=("price",)),
    "usage_days": Personal(
        Erased.RENAMED, "usage_day", names=("owner",), why="what the tenant pays for has to stay provable"
    ),
    "spending": Personal(Erased.KEPT, why="sums of keys and tenants, which name no user"),
    "audit": Personal(
        Erased.RENAMED, "audit_record", names=("owner", "actor", "object"), why="what was done has to stay provable"
    ),
    "webhooks": Personal(
        Erased.RENAMED, names=("owner",), why="they are the tenant's; the audit tells who made and changed them"
    ),
    "webhook_deliveries": Personal(
        Erased.BY_OWNER, why="which of the events, which are exported, went where, by ids alone"
    ),
    "event_removals": Personal(
        Erased.RENAMED, names=("owner",), why="whoever was told of a conversation is told that it is gone; then it goes"
    ),
    "event_publisher": Personal(Erased.KEPT, why="which process publishes events"),
    "erasures": Personal(
        Erased.RENAMED, names=("owner", "requested_by"), why="that somebody was erased has to stay provable"
    ),
    "retention": Personal(Erased.RENAMED, names=("owner",), why="a rule of the tenant's; the audit tells who made it"),
    "users": Personal(Erased.BY_OWNER, "user"),
}
"""Every table by its name."""
