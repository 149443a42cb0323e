"""Use cases of contents on their way out: images of the caller's conversations, and files that the caller keeps."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from server.application.signed_urls import SignedUrls
from server.domain.errors import FileNotFound
from server.domain.file import File
from server.domain.ids import FileId
from server.domain.principal import Owner
from server.domain.storage import StoredFile
from server.domain.storage_errors import SignedUrlInvalid
from server.ports.blobs import Blobs
from server.ports.store import Store, Transaction
from server.ports.system import Clock

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SharedFile:
    """Leave to download a file: the token that stands for it, and its end."""

    token: str
    expires_at: datetime


class Files:
    """Contents of a caller's files."""

    def __init__(self, *, store: Store, blobs: Blobs, clock: Clock, urls: SignedUrls) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._urls = urls

    async def get(self, owner: Owner, file_id: FileId) -> File | StoredFile:
        """What is known of a file. Raises `FileNotFound`, also when its content is gone."""

        async def unit(tx: Transaction) -> File | StoredFile | None:
            return await tx.files.get(file_id) or await tx.storage.file(file_id)

        file = await self._store.read(owner, unit)
        if file is None:
            raise FileNotFound(file_id)
        if await self._blobs.size(file.id) != file.size:
            _log.warning("file_without_content", file=file.id)
            raise FileNotFound(file_id)
        return file

    async def share(self, owner: Owner, file_id: FileId, lifetime: timedelta) -> SharedFile:
        """Give leave to download a file that the caller keeps. Raises `FileNotFound`."""
        file = await self._store.read(owner, lambda tx: tx.storage.file(file_id))
        if file is None:
            raise FileNotFound(file_id)
        expires_at = (self._clock.now() + lifetime).replace(microsecond=0)
        return SharedFile(self._urls.for_download(file_id, expires_at), expires_at)

    async def shared(self, token: str) -> StoredFile:
        """The file that a token stands for. Raises `SignedUrlInvalid`, also when the file is gone."""
        file_id = self._urls.download(token, self._clock.now())
        owner = await self._store.read_system(lambda tx: tx.file_owner(file_id))
        if owner is None:
            raise SignedUrlInvalid
        try:
            file = await self.get(owner, file_id)
        except FileNotFound as error:
            raise SignedUrlInvalid from error
        if not isinstance(file, StoredFile):
            raise SignedUrlInvalid
        return file

    def content(self, file: File | StoredFile, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """The content of a file, or its bytes from `start` to before `end`, in pieces of at most 256 KiB."""
        return self._blobs.read(file.id, start, end)
