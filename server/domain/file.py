"""A file of a conversation: what is known of it; its content lies elsewhere."""

from dataclasses import dataclass
from datetime import datetime

from server.domain.ids import ConversationId, FileId


@dataclass(frozen=True, slots=True)
class File:
    """One file. It goes with its conversation."""

    id: FileId
    conversation_id: ConversationId
    name: str
    """The name under which it is offered, e.g. `image.png`."""
    media_type: str
    size: int
    """Bytes of its content."""
    sha256: str
    """Hex digest of its content."""
    created_at: datetime
