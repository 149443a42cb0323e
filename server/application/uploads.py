"""Use cases of contents on their way in: whole in a request, or piece by piece behind a signed URL."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from server.application.repeats import Repeats
from server.application.signed_urls import SignedUrls
from server.application.storage import ENTRIES, folder_of, refuse_taken
from server.domain.errors import ParleyError, StoreUnavailable
from server.domain.file_name import checked_name
from server.domain.ids import FileId, FolderId, UploadId
from server.domain.limits import Limits
from server.domain.media_type import PREFIX_BYTES, declared_type, judged_type
from server.domain.principal import Owner, Principal
from server.domain.storage import StoredFile, UploadGrant, checked_tags
from server.domain.storage_errors import (
    ContentMismatch,
    FileTooLarge,
    FolderNotFound,
    SignedUrlInvalid,
    StorageFull,
    TooManyUploads,
)
from server.failpoint import failpoint
from server.ports.blobs import Blobs
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids

_BYTES: Final = "bytes"
_PENDING: Final = "pending uploads"


@dataclass(frozen=True, slots=True)
class NewFile:
    """What is said of a file that shall be stored."""

    name: str
    folder_id: str = ""
    """Empty: the top."""
    media_type: str = ""
    size: int | None = None
    sha256: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GrantedUpload:
    """Leave to upload: the token that stands for it, its end, and how large the content may be."""

    token: str
    expires_at: datetime
    max_bytes: int


class Uploads:
    """Takes in contents. A content is kept before its file is known: what a crash leaves between the two is swept."""

    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        ids: Ids,
        limits: Limits,
        repeats: Repeats,
        urls: SignedUrls,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self._repeats = repeats
        self._urls = urls
        self._under_way: Counter[Owner] = Counter()

    async def upload(self, principal: Principal, wanted: NewFile, content: bytes) -> StoredFile:
        """Store a content that is here already. Raises `InvalidField`, `FileTooLarge`, `ContentMismatch`,
        `MediaTypeMismatch`, `FolderNotFound`, `FileNameTaken`, `StorageFull`."""
        grant = self._grant(wanted, timedelta())
        receipt = _Receipt(self._limits.upload_bytes)
        receipt.take(content)
        receipt.check(grant)
        file = self._file(grant, receipt)
        await self._blobs.put(file.id, content)
        failpoint("uploads.content_kept")

        async def unit(tx: Transaction) -> StoredFile:
            await self._add(tx, file)
            return file

        try:
            done = await self._repeats.write(principal, StoredFile, unit)
        except StoreUnavailable:
            raise  # whether the file is known is not; the sweep will
        except ParleyError:
            await self._drop(file.id)
            raise
        if done.repeated:
            await self._drop(file.id)
        return done.result

    async def grant(self, principal: Principal, wanted: NewFile, lifetime: timedelta) -> GrantedUpload:
        """Give leave to upload a file. Raises `InvalidField`, `FileTooLarge`, `FolderNotFound`, `FileNameTaken`,
        `StorageFull`."""
        grant = self._grant(wanted, lifetime)
        limit = self._limits.upload_bytes
        if (grant.size or 0) > limit:
            raise FileTooLarge(limit)

        async def unit(tx: Transaction) -> UploadGrant:
            await tx.storage.lock()
            if await tx.storage.count_grants(grant.created_at) >= self._limits.pending_uploads:
                raise StorageFull(what=_PENDING, limit=self._limits.pending_uploads)
            await self._check_room(tx, grant.folder_id, grant.name, grant.size or 0)
            await tx.storage.add_grant(grant)
            return grant

        given = (await self._repeats.write(principal, UploadGrant, unit)).result
        return GrantedUpload(
            token=self._urls.for_upload(given.id, given.expires_at),
            expires_at=given.expires_at,
            max_bytes=limit if given.size is None else given.size,
        )

    async def put(self, token: str, pieces: AsyncIterable[bytes]) -> StoredFile:
        """Store what comes in pieces, for whoever shows a token. Raises `SignedUrlInvalid`, `FileTooLarge`,
        `ContentMismatch`, `MediaTypeMismatch`, `FileNameTaken`, `StorageFull`, and what `pieces` raises; nothing is
        stored then, and the token is used up; but not by `TooManyUploads`, of the owner in this process. For the same
        content again a token that has led to a file gives that file."""
        now = self._clock.now()
        upload_id = self._urls.upload(token, now)
        taken = await self._store.write_system(lambda tx: tx.take_grant(upload_id, now))
        if taken is None:
            return await self._repeated(upload_id, pieces)
        owner, grant = taken
        try:
            with self._place(owner):
                return await self._receive(owner, grant, pieces)
        except TooManyUploads:
            await self._give_back(owner, grant)
            raise

    async def _repeated(self, upload_id: UploadId, pieces: AsyncIterable[bytes]) -> StoredFile:
        """The file that a leave to upload has led to, for who sends its content again, not having heard of it. Raises
        `SignedUrlInvalid` where there is none, or for another content, and `TooManyUploads`."""
        file_id = FileId(upload_id)
        owner = await self._store.read_system(lambda tx: tx.file_owner(file_id))
        file = None if owner is None else await self._store.read(owner, lambda tx: tx.storage.file(file_id))
        if owner is None or file is None:
            raise SignedUrlInvalid
        receipt = _Receipt(file.size)
        with self._place(owner):
            try:
                async for piece in pieces:
                    receipt.take(piece)
            except FileTooLarge as error:
                raise SignedUrlInvalid from error
        if (receipt.size, receipt.sha256) != (file.size, file.sha256):
            raise SignedUrlInvalid
        return file

    async def _receive(self, owner: Owner, grant: UploadGrant, pieces: AsyncIterable[bytes]) -> StoredFile:
        usage = await self._store.read(owner, lambda tx: tx.storage.usage())
        limit = self._limits.upload_bytes if grant.size is None else min(grant.size, self._limits.upload_bytes)
        receipt = _Receipt(limit, room=self._limits.storage_bytes - usage.bytes, quota=self._limits.storage_bytes)
        file_id = FileId(grant.id)  # so that whoever shows the token again is told of the file
        async with self._blobs.draft(file_id) as draft:
            async for piece in pieces:
                receipt.take(piece)
                await draft.write(piece)
            receipt.check(grant)
            file = self._file(grant, receipt, file_id)
            await draft.finish()
        failpoint("uploads.content_kept")
        await self._keep(owner, file)
        return file

    @contextmanager
    def _place(self, owner: Owner) -> Iterator[None]:
        """Count an upload of the owner's as under way. Raises `TooManyUploads`, before the block."""
        if self._under_way[owner] >= self._limits.uploads_at_once:
            raise TooManyUploads(self._limits.uploads_at_once)
        self._under_way[owner] += 1
        try:
            yield
        finally:
            self._under_way[owner] -= 1
            if not self._under_way[owner]:
                del self._under_way[owner]

    async def _give_back(self, owner: Owner, grant: UploadGrant) -> None:
        """Make a leave to upload good again that was taken and not used. Raises `SignedUrlInvalid` when its folder has
        gone meanwhile."""
        try:
            await self._store.write(owner, lambda tx: tx.storage.add_grant(grant))
        except FolderNotFound as error:
            raise SignedUrlInvalid from error

    async def _keep(self, owner: Owner, file: StoredFile) -> None:
        try:
            await self._store.write(owner, lambda tx: self._add(tx, file))
        except StoreUnavailable:
            raise  # as in `upload`
        except FolderNotFound as error:
            await self._drop(file.id)
            raise SignedUrlInvalid from error
        except ParleyError:
            await self._drop(file.id)
            raise

    async def _add(self, tx: Transaction, file: StoredFile) -> None:
        await tx.storage.lock()
        await self._check_room(tx, file.folder_id, file.name, file.size)
        await tx.storage.add_file(file)

    async def _check_room(self, tx: Transaction, folder_id: FolderId | None, name: str, size: int) -> None:
        """Raises `FolderNotFound`, `FileNameTaken` or `StorageFull` when a file cannot be added."""
        await folder_of(tx, folder_id or "")
        await refuse_taken(tx, folder_id, name)
        usage = await tx.storage.usage()
        if usage.entries >= self._limits.storage_entries:
            raise StorageFull(what=ENTRIES, limit=self._limits.storage_entries)
        if usage.bytes + size > self._limits.storage_bytes:
            raise StorageFull(what=_BYTES, limit=self._limits.storage_bytes)

    def _grant(self, wanted: NewFile, lifetime: timedelta) -> UploadGrant:
        now = self._clock.now()
        return UploadGrant(
            id=UploadId(str(self._ids.uuid())),
            folder_id=FolderId(wanted.folder_id) or None,
            name=checked_name(wanted.name),
            declared_type=declared_type(wanted.media_type),
            size=wanted.size,
            sha256=wanted.sha256.lower(),
            tags=checked_tags(wanted.tags),
            created_at=now,
            # Whole seconds, for the token tells no less.
            expires_at=(now + lifetime).replace(microsecond=0),
        )

    def _file(self, grant: UploadGrant, receipt: "_Receipt", file_id: FileId | None = None) -> StoredFile:
        now = self._clock.now()
        return StoredFile(
            id=file_id or FileId(str(self._ids.uuid())),
            folder_id=grant.folder_id,
            name=grant.name,
            media_type=judged_type(bytes(receipt.prefix), grant.declared_type),
            size=receipt.size,
            sha256=receipt.sha256,
            tags=grant.tags,
            created_at=now,
            updated_at=now,
        )

    async def _drop(self, file_id: FileId) -> None:
        with suppress(StoreUnavailable):  # the sweep takes what could not go
            await self._blobs.delete([file_id])


class _Receipt:
    """What is known of a content as far as it has come."""

    def __init__(self, limit: int, *, room: int | None = None, quota: int = 0) -> None:
        """At most `limit` bytes; not more than `room` either, which is what is left of `quota`."""
        self.size = 0
        self.prefix = bytearray()
        self._digest = hashlib.sha256()
        self._limit = limit
        self._room = room
        self._quota = quota

    @property
    def sha256(self) -> str:
        """Hex digest of what has come."""
        return self._digest.hexdigest()

    def take(self, piece: bytes) -> None:
        """Count a piece. Raises `FileTooLarge`, `StorageFull`."""
        self.size += len(piece)
        if self.size > self._limit:
            raise FileTooLarge(self._limit)
        if self._room is not None and self.size > self._room:
            raise StorageFull(what=_BYTES, limit=self._quota)
        self._digest.update(piece)
        if len(self.prefix) < PREFIX_BYTES:
            self.prefix += piece[: PREFIX_BYTES - len(self.prefix)]

    def check(self, grant: UploadGrant) -> None:
        """Raises `ContentMismatch` when the content is not the announced one."""
        if grant.size is not None and self.size != grant.size:
            raise ContentMismatch("size")
        if grant.sha256 and self.sha256 != grant.sha256:
            raise ContentMismatch("checksum")
