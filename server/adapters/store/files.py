"""What is known of the files of the owner's conversations."""

from typing import Final

from sqlalchemy import select

from server.adapters.store import tables
from server.adapters.store.executor import Row
from server.adapters.store.scope import Scope
from server.adapters.store.statement import found, owned, owned_insert, parameter
from server.adapters.store.times import micros, moment
from server.domain.errors import ConversationNotFound
from server.domain.file import File
from server.domain.ids import ConversationId, FileId

_table = tables.files
_c = _table.c
_COLUMNS: Final = (_c.id, _c.conversation_id, _c.name, _c.media_type, _c.size, _c.sha256, _c.created_at)
_one = _c.id == parameter(_c.id)

_CONVERSATION = found(tables.conversations)
_ADD = owned_insert(_table)
_GET = owned(select(*_COLUMNS).where(_one), _table)
_OF_CONVERSATION = owned(
    select(_c.id).where(_c.conversation_id == parameter(_c.conversation_id)).order_by(_c.id), _table
)


class StoredFiles:
    """See `ports.files.Files`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def add(self, file: File) -> None:
        """Store a new one. Raises `ConversationNotFound`."""
        if not await self._scope.owns(_CONVERSATION, file.conversation_id):
            raise ConversationNotFound(file.conversation_id)
        await self._scope.fetch(
            _ADD,
            id=file.id,
            conversation_id=file.conversation_id,
            name=file.name,
            media_type=file.media_type,
            size=file.size,
            sha256=file.sha256,
            created_at=micros(file.created_at),
        )

    async def get(self, file_id: FileId) -> File | None:
        """The one of that id."""
        row = await self._scope.fetch_one(_GET, id=file_id)
        return None if row is None else _file(row)

    async def of_conversation(self, conversation_id: ConversationId) -> list[FileId]:
        """The ids of a conversation's files, sorted."""
        rows = await self._scope.fetch(_OF_CONVERSATION, conversation_id=conversation_id)
        return [FileId(file_id) for (file_id,) in rows]


def _file(row: Row) -> File:
    file_id, conversation_id, name, media_type, size, sha256, created = row
    return File(file_id, conversation_id, name, media_type, size, sha256, moment(created))
