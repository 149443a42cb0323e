"""What a sender asks for: a message to a conversation, and what is to be done about it."""

import hashlib
import json
from dataclasses import astuple, dataclass, field
from typing import Any

from server.application.revisions import Revision
from server.domain.attachment import Attachment
from server.domain.conversation import InterruptPolicy
from server.domain.generation import GenerationConfig
from server.domain.ids import FileId, SessionId
from server.domain.model import Model
from server.domain.run import PLAIN, RunOptions


@dataclass(frozen=True, slots=True)
class SendMessage:
    """A user message to a conversation."""

    conversation_key: str
    content: str
    request_id: str = ""
    """Makes the send repeatable; empty: every send is a new one."""
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    """Overrides the conversation's, field by field."""
    session_id: SessionId | None = None
    model: Model | None = None
    """The session's model; overrides both."""
    options: RunOptions = PLAIN
    interrupt_policy: InterruptPolicy | None = None
    """Overrides the conversation's."""
    revision: Revision | None = None
    """What of the history it revises instead of extending it; a regeneration has no content of its own."""
    file_ids: tuple[FileId, ...] = ()
    """Files that it brings along."""
    attachments: tuple[Attachment, ...] = ()
    """What is known of them; filled in when it is accepted."""

    @property
    def fingerprint(self) -> str:
        """Equal for equal sends: SHA-256 of everything but the request id."""
        model = self.model.id if self.model else None
        parts: list[Any] = [self.conversation_key, self.content, astuple(self.generation), self.session_id, model]
        if self.options != PLAIN:  # so that fingerprints from before there were options stay what they were
            parts.append([self.options.use_cache, self.options.image])
        if self.options.client_tools:
            parts.append([astuple(tool) for tool in self.options.client_tools])
        if self.interrupt_policy is not None:
            parts.append(self.interrupt_policy)
        if self.revision is not None:
            parts.append([type(self.revision).__name__, self.revision.message_id])
        if self.file_ids:
            parts.append(["files", *self.file_ids])
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
