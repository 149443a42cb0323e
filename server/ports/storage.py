"""What the store knows of the files and folders that users keep; contents lie elsewhere, see `ports.blobs`."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from server.domain.ids import FileId, FolderId, UploadId
from server.domain.principal import Owner
from server.domain.storage import EntryPosition, Folder, StoredFile, UploadGrant, Usage


class Storage(Protocol):
    """Files and folders of the owner. A unit that changes any calls `lock` first; what it reads after that stays true
    until it is over. A folder of `None` is the top."""

    async def lock(self) -> None:
        """Have no other unit change the owner's files or folders until this one is over."""

    async def usage(self) -> Usage:
        """How much there is."""

    async def is_taken(self, folder_id: FolderId | None, name_key: str) -> bool:
        """Whether a folder has a file or folder whose name has that key."""

    async def entries(
        self, folder_id: FolderId | None, *, tag: str | None, limit: int, after: EntryPosition | None
    ) -> list[Folder | StoredFile]:
        """What lies in a folder: its folders, then its files, each by the key of their names. With a `tag`, files that
        have it and nothing else."""

    async def folder(self, folder_id: FolderId) -> Folder | None:
        """The one of that id."""

    async def add_folder(self, folder: Folder) -> None:
        """Store a new one, in a folder that is there."""

    async def rename_folder(self, folder: Folder) -> None:
        """Overwrite its name."""

    async def is_empty(self, folder_id: FolderId) -> bool:
        """Whether nothing lies in a folder."""

    async def delete_folder(self, folder: Folder) -> list[FileId]:
        """Destroy a folder with all that lies in it, however deep, and leaves to upload into it; returns the files that
        went."""

    async def file(self, file_id: FileId) -> StoredFile | None:
        """The one of that id."""

    async def present(self, file_ids: Collection[FileId]) -> set[FileId]:
        """Those of the ids whose files are there."""

    async def add_file(self, file: StoredFile) -> None:
        """Store a new one, in a folder that is there."""

    async def save_file(self, file: StoredFile) -> None:
        """Overwrite folder, name, tags and `updated_at`."""

    async def delete_file(self, file_id: FileId) -> bool:
        """Destroy the one of that id; `False` when there is none."""

    async def add_grant(self, grant: UploadGrant) -> None:
        """Store a new leave to upload."""

    async def count_grants(self, now: datetime) -> int:
        """How many there are that are not over at `now`."""


class AllStorage(Protocol):
    """What the service itself looks up for callers who show a signature instead of a credential."""

    async def take_grant(self, upload_id: UploadId, now: datetime) -> tuple[Owner, UploadGrant] | None:
        """A leave to upload that is not over at `now`, and whose it was: nobody else gets it from now on."""

    async def forget_grants(self, before: datetime, *, limit: int) -> int:
        """Drop leaves to upload that were over before a moment, the oldest first; returns how many."""

    async def file_owner(self, file_id: FileId) -> Owner | None:
        """Whose file that is, of those that users keep."""

    async def known_files(self, file_ids: Collection[FileId]) -> set[FileId]:
        """Those of the ids that are a file's, whoever owns it: of those that users keep and of those of
        conversations."""
