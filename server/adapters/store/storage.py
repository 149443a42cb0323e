"""Files and folders of the transaction's owner."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, delete, func, select, update

from server.adapters.store import tables
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Row
from server.adapters.store.paging import LIMIT
from server.adapters.store.scope import Scope
from server.adapters.store.statement import found, owned, owned_insert, parameter
from server.adapters.store.times import micros, moment
from server.domain.file_name import name_key
from server.domain.ids import FileId, FolderId
from server.domain.storage import EntryPosition, Folder, StoredFile, UploadGrant, Usage
from server.domain.storage_errors import FolderNotFound

TOP: Final = ""
ANY_SIZE: Final = -1
_BLANK: Final = " "  # a tag holds none
_BEFORE_ALL: Final = ""

_folders = tables.folders
_f = _folders.c
_files = tables.stored_files
_s = _files.c
_grants = tables.upload_grants

_FOLDER_COLUMNS: Final = (_f.id, _f.path, _f.name, _f.created_at)
_FILE_COLUMNS: Final = (
    *(_s.id, _s.folder_id, _s.name, _s.media_type, _s.size, _s.sha256, _s.tags, _s.created_at, _s.updated_at),
)
_FOLDER = found(_folders)
_GET_FOLDER = owned(select(*_FOLDER_COLUMNS).where(_f.id == parameter(_f.id)), _folders)
_ADD_FOLDER = owned_insert(_folders)
_RENAME_FOLDER = owned(
    update(_folders)
    .where(_f.id == bindparam("folder", type_=STRING))
    .values(name=parameter(_f.name, "new_name"), name_key=parameter(_f.name_key, "new_key")),
    _folders,
)
_FOLDER_OF_KEY = owned(
    select(_f.id).where(_f.parent_id == parameter(_f.parent_id), _f.name_key == parameter(_f.name_key)), _folders
)
_FILE_OF_KEY = owned(
    select(_s.id).where(_s.folder_id == parameter(_s.folder_id), _s.name_key == parameter(_s.name_key)), _files
)
_FOLDERS = owned(
    select(*_FOLDER_COLUMNS)
    .where(_f.parent_id == parameter(_f.parent_id), _f.name_key > bindparam("after", type_=STRING))
    .order_by(_f.name_key)
    .limit(LIMIT),
    _folders,
)
_in_folder = (
    select(*_FILE_COLUMNS)
    .where(_s.folder_id == parameter(_s.folder_id), _s.name_key > bindparam("after", type_=STRING))
    .order_by(_s.name_key)
    .limit(LIMIT)
)
_FILES = owned(_in_folder, _files)
_TAGGED = owned(_in_folder.where(_s.tags.like(bindparam("tag", type_=STRING), escape="\\")), _files)
_ANY_FOLDER = owned(select(_f.id).where(_f.parent_id == parameter(_f.parent_id)).limit(1), _folders)
_ANY_FILE = owned(select(_s.id).where(_s.folder_id == parameter(_s.folder_id)).limit(1), _files)

_inside = (_f.path >= bindparam("inside", type_=STRING), _f.path < bindparam("behind", type_=STRING))
_FOLDERS_INSIDE = owned(select(_f.id).where(*_inside), _folders)
_DELETE_FOLDERS_INSIDE = owned(delete(_folders).where(*_inside), _folders)
_DELETE_FOLDER = owned(delete(_folders).where(_f.id == parameter(_f.id)), _folders)
_DELETE_FILES_OF = owned(delete(_files).where(_s.folder_id == parameter(_s.folder_id)).returning(_s.id), _files)

_COUNT_FOLDERS = owned(select(func.count()).select_from(_folders), _folders)
# PostgreSQL sums whole numbers to decimal ones.
_sums: Any = select(func.count(), func.coalesce(func.sum(_s.size), 0).cast(BigInteger))
_COUNT_FILES = owned(_sums.select_from(_files), _files)
_GET_FILE = owned(select(*_FILE_COLUMNS).where(_s.id == parameter(_s.id)), _files)
_AT_ONCE: Final = 16
_ids_at_once = [bindparam(f"id_{number}", type_=STRING) for number in range(_AT_ONCE)]
_PRESENT = owned(select(_s.id).where(_s.id.in_(_ids_at_once)), _files)
_ADD_FILE = owned_insert(_files)
_SAVE_FILE = owned(
    update(_files)
    .where(_s.id == bindparam("file", type_=STRING))
    .values(
        folder_id=parameter(_s.folder_id, "new_folder"),
        name=parameter(_s.name, "new_name"),
        name_key=parameter(_s.name_key, "new_key"),
        tags=parameter(_s.tags, "new_tags"),
        updated_at=parameter(_s.updated_at, "now"),
    ),
    _files,
)
_DELETE_FILE = owned(delete(_files).where(_s.id == parameter(_s.id)).returning(_s.id), _files)
_ADD_GRANT = owned_insert(_grants)
_DELETE_GRANTS_OF = owned(delete(_grants).where(_grants.c.folder_id == parameter(_grants.c.folder_id)), _grants)
_COUNT_GRANTS = owned(
    select(func.count()).select_from(_grants).where(_grants.c.expires_at > parameter(_grants.c.expires_at)), _grants
)


class StoredStorage:
    """See `ports.storage.Storage`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def lock(self) -> None:
        """Keep every other unit from changing the owner's files and folders."""
        await self._scope.lock_name("storage", "")

    async def usage(self) -> Usage:
        """How much there is."""
        (files, size) = await self._scope.fetch_one(_COUNT_FILES) or (0, 0)
        (folders,) = await self._scope.fetch_one(_COUNT_FOLDERS) or (0,)
        return Usage(entries=files + folders, bytes=size)

    async def is_taken(self, folder_id: FolderId | None, name_key: str) -> bool:
        """Whether a name is in use."""
        place = folder_id or TOP
        return (
            await self._scope.fetch_one(_FOLDER_OF_KEY, parent_id=place, name_key=name_key) is not None
            or await self._scope.fetch_one(_FILE_OF_KEY, folder_id=place, name_key=name_key) is not None
        )

    async def entries(
        self, folder_id: FolderId | None, *, tag: str | None, limit: int, after: EntryPosition | None
    ) -> list[Folder | StoredFile]:
        """Contents of a folder: folders, then files."""
        entries: list[Folder | StoredFile] = []
        place, start = folder_id or TOP, after or EntryPosition(is_file=False, name_key=_BEFORE_ALL)
        if tag is None and not start.is_file:
            rows = await self._scope.fetch(_FOLDERS, parent_id=place, after=start.name_key, limit=limit)
            entries += [_folder(row) for row in rows]
        if len(entries) < limit:
            key = start.name_key if start.is_file else _BEFORE_ALL
            wanted = {"folder_id": place, "after": key, "limit": limit - len(entries)}
            if tag is None:
                rows = await self._scope.fetch(_FILES, **wanted)
            else:
                rows = await self._scope.fetch(_TAGGED, **wanted, tag=_pattern(tag))
            entries += [_file(row) for row in rows]
        return entries

    async def folder(self, folder_id: FolderId) -> Folder | None:
        """A folder."""
        row = await self._scope.fetch_one(_GET_FOLDER, id=folder_id)
        return None if row is None else _folder(row)

    async def add_folder(self, folder: Folder) -> None:
        """Store a new folder. Raises `FolderNotFound` when that which it lies in is not there."""
        await self._scope.fetch(
            _ADD_FOLDER,
            id=folder.id,
            parent_id=await self._place(folder.parent_id),
            path=folder.path,
            name=folder.name,
            name_key=name_key(folder.name),
            created_at=micros(folder.created_at),
        )

    async def rename_folder(self, folder: Folder) -> None:
        """Overwrite a folder's name."""
        await self._scope.fetch(_RENAME_FOLDER, folder=folder.id, new_name=folder.name, new_key=name_key(folder.name))

    async def is_empty(self, folder_id: FolderId) -> bool:
        """Whether nothing lies in a folder."""
        return (
            await self._scope.fetch_one(_ANY_FOLDER, parent_id=folder_id) is None
            and await self._scope.fetch_one(_ANY_FILE, folder_id=folder_id) is None
        )

    async def delete_folder(self, folder: Folder) -> list[FileId]:
        """Destroy a folder with everything in it, and leave to upload into it."""
        inside = {"inside": f"{folder.path}/", "behind": f"{folder.path}0"}  # `0` is the character behind `/`
        folders = [folder.id, *(row[0] for row in await self._scope.fetch(_FOLDERS_INSIDE, **inside))]
        gone = [row[0] for each in folders for row in await self._scope.fetch(_DELETE_FILES_OF, folder_id=each)]
        for each in folders:
            await self._scope.fetch(_DELETE_GRANTS_OF, folder_id=each)
        await self._scope.fetch(_DELETE_FOLDERS_INSIDE, **inside)
        await self._scope.fetch(_DELETE_FOLDER, id=folder.id)
        return sorted(FileId(file_id) for file_id in gone)

    async def file(self, file_id: FileId) -> StoredFile | None:
        """A file."""
        row = await self._scope.fetch_one(_GET_FILE, id=file_id)
        return None if row is None else _file(row)

    async def present(self, file_ids: Collection[FileId]) -> set[FileId]:
        """Which files are there."""
        asked, there = sorted(set(file_ids)), set[FileId]()
        while asked:
            batch, asked = asked[:_AT_ONCE], asked[_AT_ONCE:]
            padded = [*batch, *[batch[0]] * (_AT_ONCE - len(batch))]
            rows = await self._scope.fetch(_PRESENT, **{f"id_{number}": each for number, each in enumerate(padded)})
            there.update(FileId(file_id) for (file_id,) in rows)
        return there

    async def add_file(self, file: StoredFile) -> None:
        """Store a new file. Raises `FolderNotFound` when that which it lies in is not there."""
        await self._scope.fetch(
            _ADD_FILE,
            id=file.id,
            folder_id=await self._place(file.folder_id),
            name=file.name,
            name_key=name_key(file.name),
            media_type=file.media_type,
            size=file.size,
            sha256=file.sha256,
            tags=_joined(file.tags),
            created_at=micros(file.created_at),
            updated_at=micros(file.updated_at),
        )

    async def save_file(self, file: StoredFile) -> None:
        """Overwrite what may change. Raises `FolderNotFound` as `add_file`."""
        await self._scope.fetch(
            _SAVE_FILE,
            file=file.id,
            new_folder=await self._place(file.folder_id),
            new_name=file.name,
            new_key=name_key(file.name),
            new_tags=_joined(file.tags),
            now=micros(file.updated_at),
        )

    async def delete_file(self, file_id: FileId) -> bool:
        """Destroy a file."""
        return await self._scope.fetch_one(_DELETE_FILE, id=file_id) is not None

    async def add_grant(self, grant: UploadGrant) -> None:
        """Store a new leave to upload. Raises `FolderNotFound` as `add_file`."""
        await self._scope.fetch(
            _ADD_GRANT,
            id=grant.id,
            folder_id=await self._place(grant.folder_id),
            name=grant.name,
            declared_type=grant.declared_type,
            size=ANY_SIZE if grant.size is None else grant.size,
            sha256=grant.sha256,
            tags=_joined(grant.tags),
            created_at=micros(grant.created_at),
            expires_at=micros(grant.expires_at),
        )

    async def count_grants(self, now: datetime) -> int:
        """How many leaves to upload are not over."""
        (count,) = await self._scope.fetch_one(_COUNT_GRANTS, expires_at=micros(now)) or (0,)
        return int(count)

    async def _place(self, folder_id: FolderId | None) -> str:
        """How rows name a folder, which is the owner's."""
        if folder_id is not None and not await self._scope.owns(_FOLDER, folder_id):
            raise FolderNotFound(folder_id)
        return folder_id or TOP


def tags_of(joined: str) -> tuple[str, ...]:
    """The tags of a row."""
    return tuple(joined.split())


def _joined(tags: tuple[str, ...]) -> str:
    return _BLANK.join(("", *tags, "")) if tags else ""


def _pattern(tag: str) -> str:
    escaped = tag.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{_BLANK}{escaped}{_BLANK}%"


def _folder(row: Row) -> Folder:
    folder_id, path, name, created = row
    return Folder(FolderId(folder_id), path, name, moment(created))


def _file(row: Row) -> StoredFile:
    file_id, folder_id, name, media_type, size, sha256, tags, created, updated = row
    return StoredFile(
        id=FileId(file_id),
        folder_id=FolderId(folder_id) if folder_id else None,
        name=name,
        media_type=media_type,
        size=size,
        sha256=sha256,
        tags=tags_of(tags),
        created_at=moment(created),
        updated_at=moment(updated),
    )
