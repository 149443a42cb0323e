"""What users keep: files in folders, leave to upload one, and how much there may be."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from server.domain.errors import FieldViolation, InvalidField
from server.domain.ids import FileId, FolderId, UploadId

DEEPEST_FOLDER: Final = 16
"""How many folders lie in each other at most."""
MOST_TAGS: Final = 32


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder. `path` names it behind all folders that it lies in, by their ids and with `/` between them."""

    id: FolderId
    path: str
    name: str
    created_at: datetime

    @property
    def parent_id(self) -> FolderId | None:
        """The folder that it lies in; `None` at the top."""
        parent, slash, _ = self.path.rpartition("/")
        return FolderId(parent.rpartition("/")[2]) if slash else None

    @property
    def depth(self) -> int:
        """1 at the top."""
        return self.path.count("/") + 1


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a user's own; its content never changes."""

    id: FileId
    folder_id: FolderId | None
    """`None`: at the top."""
    name: str
    media_type: str
    size: int
    """Bytes of its content."""
    sha256: str
    """Hex digest of its content."""
    tags: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class UploadGrant:
    """Leave to upload one file, once and without a credential; what is said of the file beforehand must hold."""

    id: UploadId
    folder_id: FolderId | None
    name: str
    declared_type: str
    """Empty: whatever the content shows."""
    size: int | None
    """Bytes that the content must have; `None`: any number that is allowed."""
    sha256: str
    """Hex digest that the content must have; empty: any."""
    tags: tuple[str, ...]
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Usage:
    """How much a user keeps; `entries` are files and folders."""

    entries: int
    bytes: int


@dataclass(frozen=True, slots=True)
class EntryPosition:
    """Where a page of a folder's contents ended: folders come first, each kind by the key of its names."""

    is_file: bool
    name_key: str


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags in their order, each once. Raises `InvalidField` for too many; how each looks is checked at the door."""
    unique = tuple(sorted(set(tags)))
    if len(unique) > MOST_TAGS:
        raise InvalidField([FieldViolation("tags", f"at most {MOST_TAGS} different ones")])
    return unique
