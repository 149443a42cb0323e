"""The tables of what users keep: folders, files, leaves to upload. A `folder_id` of "" is the top."""

from sqlalchemy import Index
from sqlmodel import Field

from server.adapters.store.columns import STRING, WHOLE, OwnedRow


class FolderRow(OwnedRow, table=True):
    """A folder. `path` are the ids of all that it lies in and its own, with `/` between them."""

    __tablename__ = "folders"
    __table_args__ = (
        Index("uq_folders_name", "tenant", "owner", "parent_id", "name_key", unique=True),
        Index("ix_folders_path", "tenant", "owner", "path"),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    parent_id: str = Field(sa_type=STRING)
    path: str = Field(sa_type=STRING)
    name: str = Field(sa_type=STRING)
    name_key: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)


class StoredFileRow(OwnedRow, table=True):
    """What is known of a user's file; its content lies elsewhere. `tags` stand between blanks."""

    __tablename__ = "stored_files"
    __table_args__ = (
        Index("uq_stored_files_name", "tenant", "owner", "folder_id", "name_key", unique=True),
        Index("ix_stored_files_size", "tenant", "owner", "size"),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    folder_id: str = Field(sa_type=STRING)
    name: str = Field(sa_type=STRING)
    name_key: str = Field(sa_type=STRING)
    media_type: str = Field(sa_type=STRING)
    size: int = Field(sa_type=WHOLE)
    sha256: str = Field(sa_type=STRING)
    tags: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)
    updated_at: int = Field(sa_type=WHOLE)


class UploadGrantRow(OwnedRow, table=True):
    """Leave to upload one file, taken away by its use; a `size` of -1 is any."""

    __tablename__ = "upload_grants"
    __table_args__ = (
        Index("ix_upload_grants_owner", "tenant", "owner", "expires_at"),
        Index("ix_upload_grants_expires_at", "expires_at"),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    folder_id: str = Field(sa_type=STRING)
    name: str = Field(sa_type=STRING)
    declared_type: str = Field(sa_type=STRING)
    size: int = Field(sa_type=WHOLE)
    sha256: str = Field(sa_type=STRING)
    tags: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)
    expires_at: int = Field(sa_type=WHOLE)
