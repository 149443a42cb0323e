"""The bounds of the service, with their defaults; settings may change them."""

from dataclasses import dataclass
from datetime import timedelta

from server.domain.attachment import USUAL_LIMITS, AttachmentLimits


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that the rules of runs and streams keep."""

    unary_call: timedelta = timedelta(seconds=60)
    queue_per_conversation: int = 16
    runs_per_caller: int = 10
    """How many runs that a key, or a person, started for a user may be under way at a time; 0: any number."""
    run_duration: timedelta = timedelta(minutes=15)
    run_output_bytes: int = 1024 * 1024
    run_attempts: int = 3
    lease: timedelta = timedelta(seconds=6)
    lease_heartbeat: timedelta = timedelta(seconds=2)
    stream_buffer_bytes: int = 256 * 1024
    stream_heartbeat: timedelta = timedelta(seconds=15)
    idempotency_retention: timedelta = timedelta(hours=24)
    default_page: int = 100
    delta_interval: timedelta = timedelta(milliseconds=25)
    """After the first piece of an answer, pieces are stored together for at most this long …"""
    delta_bytes: int = 2048
    """… or until they are this many bytes."""
    title_duration: timedelta = timedelta(seconds=15)
    """How long the model may take over the title of a conversation."""
    title_patience: timedelta = timedelta(seconds=1)
    """How long a finished answer is held back for its conversation's title …"""
    titles_at_once: int = 64
    """… and how many are made at once; what would be more keeps the default name."""
    cache_lifetime: timedelta = timedelta(hours=1)
    """How long an answer may be given again; zero: never."""
    cache_answer_bytes: int = 64 * 1024
    """A longer answer is not kept."""
    tool_rounds: int = 16
    """How many answers of a run may ask for tools; the next one has to do without."""
    tools_offered: int = 128
    """How many tools a model is shown at most."""
    tool_calls: int = 128
    """How many calls one answer may ask for."""
    tool_calls_at_once: int = 8
    """How many calls of a run are made at the same time."""
    approval_lifetime: timedelta = timedelta(hours=24)
    """How long a tool call waits for a person, or a client."""
    approval_warning: timedelta = timedelta(hours=1)
    """How long before its end that is announced, at most a tenth of it, unless that is less than two heartbeats."""
    compaction_duration: timedelta = timedelta(seconds=30)
    """How long the model may take to summarise the older messages of a conversation."""
    memories: int = 100_000
    """How many memories a user may have."""
    memories_found: int = 10
    """How many a search finds that does not say."""
    storage_bytes: int = 1024**3
    """Bytes that a user may keep in files …"""
    storage_entries: int = 10_000
    """… and files and folders."""
    upload_bytes: int = 100 * 1024**2
    """Bytes that one of them may have."""
    pending_uploads: int = 1000
    """How many signed URLs of a user may wait for their upload …"""
    uploads_at_once: int = 8
    """… and how many of them each process takes contents for at a time."""
    attachments: AttachmentLimits = USUAL_LIMITS
    """How much messages may bring along."""
