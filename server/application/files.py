"""Use cases of files: what the caller's conversations hold besides messages."""

from collections.abc import AsyncGenerator

import structlog

from server.domain.errors import FileNotFound
from server.domain.file import File
from server.domain.ids import FileId
from server.domain.principal import Owner
from server.ports.blobs import Blobs
from server.ports.store import Store

_log = structlog.get_logger(__name__)


class Files:
    """Files of a caller."""

    def __init__(self, *, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    async def get(self, owner: Owner, file_id: FileId) -> File:
        """What is known of a file. Raises `FileNotFound`, also when its content is gone."""
        file = await self._store.read(owner, lambda tx: tx.files.get(file_id))
        if file is None:
            raise FileNotFound(file_id)
        if await self._blobs.size(file.id) != file.size:
            _log.warning("file_without_content", file=file.id)
            raise FileNotFound(file_id)
        return file

    def content(self, file: File) -> AsyncGenerator[bytes, None]:
        """The content of a file in pieces of at most 256 KiB."""
        return self._blobs.read(file.id)
