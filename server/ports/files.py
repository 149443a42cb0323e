"""What the store knows of files; their contents lie elsewhere, see `ports.blobs`."""

from typing import Protocol

from server.domain.file import File
from server.domain.ids import ConversationId, FileId


class Files(Protocol):
    """Files of the owner's conversations, without their contents."""

    async def add(self, file: File) -> None:
        """Store a new one. Raises `ConversationNotFound`."""

    async def get(self, file_id: FileId) -> File | None:
        """The one of that id."""

    async def of_conversation(self, conversation_id: ConversationId) -> list[FileId]:
        """The ids of a conversation's files, sorted."""
