"""Use cases of the files and folders that users keep, their contents aside."""

from contextlib import suppress
from dataclasses import dataclass, replace

from server.application.paging import Page, cut, texts_position, texts_token
from server.application.repeats import Repeats
from server.domain.audit import Act, Deed
from server.domain.errors import FileNotFound, InvalidPageToken, StoreUnavailable
from server.domain.file_name import checked_name, name_key
from server.domain.ids import FileId, FolderId
from server.domain.limits import Limits
from server.domain.principal import Owner, Principal
from server.domain.storage import DEEPEST_FOLDER, EntryPosition, Folder, StoredFile, Usage, checked_tags
from server.domain.storage_errors import FileNameTaken, FolderNotEmpty, FolderNotFound, FolderTooDeep, StorageFull
from server.failpoint import failpoint
from server.ports.blobs import Blobs
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids

_KIND = "files"
_FILE, _FOLDER = "file", "folder"
ENTRIES = "entries"
"""Of what there may be too many, in `StorageFull`."""

Entry = Folder | StoredFile


@dataclass(frozen=True, slots=True)
class FileChanges:
    """What is to change of a file; `None` is left as it is."""

    name: str | None = None
    folder_id: str | None = None
    """Empty: the top."""
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class DeletedFolder:
    """A folder that is gone, and how many files went with it."""

    id: FolderId
    count: int
    files: tuple[FileId, ...] = ()
    """Those files, while they are needed."""


@dataclass(frozen=True, slots=True)
class DeletedFile:
    """A file that is gone."""

    id: FileId


class Storage:
    """Files and folders of a caller."""

    def __init__(self, *, store: Store, blobs: Blobs, clock: Clock, ids: Ids, limits: Limits, repeats: Repeats) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self._repeats = repeats

    async def create_folder(self, principal: Principal, name: str, parent_id: str) -> Folder:
        """Make a folder. Raises `InvalidField`, `FolderNotFound`, `FileNameTaken`, `FolderTooDeep`, `StorageFull`."""
        name, identity = checked_name(name), FolderId(str(self._ids.uuid()))

        async def unit(tx: Transaction) -> Folder:
            await tx.storage.lock()
            parent = await folder_of(tx, parent_id)
            if parent is not None and parent.depth >= DEEPEST_FOLDER:
                raise FolderTooDeep(DEEPEST_FOLDER)
            path = identity if parent is None else f"{parent.path}/{identity}"
            folder = Folder(identity, path, name, self._clock.now())
            await refuse_taken(tx, folder.parent_id, name)
            if (await tx.storage.usage()).entries >= self._limits.storage_entries:
                raise StorageFull(what=ENTRIES, limit=self._limits.storage_entries)
            await tx.storage.add_folder(folder)
            return folder

        return (await self._repeats.write(principal, Folder, unit)).result

    async def rename_folder(self, principal: Principal, folder_id: FolderId, name: str) -> Folder:
        """Give a folder another name. Raises `InvalidField`, `FolderNotFound`, `FileNameTaken`."""
        name = checked_name(name)

        async def unit(tx: Transaction) -> Folder:
            await tx.storage.lock()
            folder = await _existing_folder(tx, folder_id)
            renamed = replace(folder, name=name)
            if name_key(name) != name_key(folder.name):
                await refuse_taken(tx, folder.parent_id, name)
            await tx.storage.rename_folder(renamed)
            return renamed

        return (await self._repeats.write(principal, Folder, unit)).result

    async def delete_folder(self, principal: Principal, folder_id: FolderId, *, is_recursive: bool) -> DeletedFolder:
        """Destroy a folder. Raises `FolderNotFound`, and `FolderNotEmpty` unless everything in it shall go as well."""

        async def unit(tx: Transaction) -> DeletedFolder:
            await tx.storage.lock()
            folder = await _existing_folder(tx, folder_id)
            if not is_recursive and not await tx.storage.is_empty(folder_id):
                raise FolderNotEmpty
            files = await tx.storage.delete_folder(folder)
            return DeletedFolder(folder_id, len(files), tuple(files))

        done = await self._repeats.write(
            principal,
            DeletedFolder,
            unit,
            keep=lambda gone: DeletedFolder(gone.id, gone.count),
            deeds=lambda gone: [Deed(Act.FOLDER_DELETED, gone.id)],
        )
        await self._destroy(done.result.files)
        return done.result

    async def page(self, owner: Owner, folder_id: str, *, tag: str, page_size: int, page_token: str) -> Page[Entry]:
        """Contents of a folder. Raises `FolderNotFound`, `InvalidPageToken`."""
        size, after = page_size or self._limits.default_page, _position(page_token)

        async def unit(tx: Transaction) -> list[Entry]:
            folder = await folder_of(tx, folder_id)
            place = None if folder is None else folder.id
            return await tx.storage.entries(place, tag=tag or None, limit=size + 1, after=after)

        return cut(await self._store.read(owner, unit), size, _token)

    async def file(self, owner: Owner, file_id: FileId) -> StoredFile:
        """What is known of a file. Raises `FileNotFound`."""
        return await self._store.read(owner, lambda tx: _existing_file(tx, file_id))

    async def update_file(self, principal: Principal, file_id: FileId, changes: FileChanges) -> StoredFile:
        """Rename, move, tag. Raises `InvalidField`, `FileNotFound`, `FolderNotFound`, `FileNameTaken`."""
        wanted = None if changes.name is None else checked_name(changes.name)
        tags = None if changes.tags is None else checked_tags(changes.tags)

        async def unit(tx: Transaction) -> StoredFile:
            await tx.storage.lock()
            file = await _existing_file(tx, file_id)
            changed = replace(
                file,
                name=file.name if wanted is None else wanted,
                folder_id=file.folder_id if changes.folder_id is None else (FolderId(changes.folder_id) or None),
                tags=file.tags if tags is None else tags,
                updated_at=self._clock.now(),
            )
            if (changed.folder_id, name_key(changed.name)) != (file.folder_id, name_key(file.name)):
                await refuse_taken(tx, changed.folder_id, changed.name)
            await tx.storage.save_file(changed)
            return changed

        return (await self._repeats.write(principal, StoredFile, unit)).result

    async def delete_file(self, principal: Principal, file_id: FileId) -> FileId:
        """Destroy a file. Raises `FileNotFound`."""

        async def unit(tx: Transaction) -> DeletedFile:
            await tx.storage.lock()
            if not await tx.storage.delete_file(file_id):
                raise FileNotFound(file_id)
            failpoint("storage.deleting")
            return DeletedFile(file_id)

        done = await self._repeats.write(
            principal, DeletedFile, unit, deeds=lambda gone: [Deed(Act.FILE_DELETED, gone.id)]
        )
        failpoint("storage.deleted")
        if not done.repeated:
            await self._destroy((file_id,))
        return done.result.id

    async def usage(self, owner: Owner) -> Usage:
        """How much a user keeps."""
        return await self._store.read(owner, lambda tx: tx.storage.usage())

    async def _destroy(self, files: tuple[FileId, ...]) -> None:
        """Destroy contents whose files are gone; those that could not go are swept."""
        if files:
            with suppress(StoreUnavailable):
                await self._blobs.delete(files)


async def folder_of(tx: Transaction, folder_id: str) -> Folder | None:
    """The folder that a caller names, `None` for the top. Raises `FolderNotFound`."""
    return await _existing_folder(tx, FolderId(folder_id)) if folder_id else None


async def refuse_taken(tx: Transaction, folder_id: FolderId | None, name: str) -> None:
    """Raises `FileNameTaken` when a folder has a name that looks the same."""
    if await tx.storage.is_taken(folder_id, name_key(name)):
        raise FileNameTaken(name)


async def _existing_folder(tx: Transaction, folder_id: FolderId) -> Folder:
    folder = await tx.storage.folder(folder_id)
    if folder is None:
        raise FolderNotFound(folder_id)
    return folder


async def _existing_file(tx: Transaction, file_id: FileId) -> StoredFile:
    file = await tx.storage.file(file_id)
    if file is None:
        raise FileNotFound(file_id)
    return file


def _position(token: str) -> EntryPosition | None:
    if not token:
        return None
    kind, key = texts_position(_KIND, token, 2)
    if kind not in (_FILE, _FOLDER):
        raise InvalidPageToken
    return EntryPosition(is_file=kind == _FILE, name_key=key)


def _token(entry: Entry) -> str:
    return texts_token(_KIND, _FILE if isinstance(entry, StoredFile) else _FOLDER, name_key(entry.name))
