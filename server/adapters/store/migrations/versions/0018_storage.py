"""Files and folders of users' own, and leave to upload one by a signed URL."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.adapters.store.migrations.protection import protect

revision = "0018"
down_revision = "0017"


def _text(name: str) -> "sa.Column[str]":
    """A text that sorts by code point."""
    text: sa.types.TypeEngine[str] = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    return sa.Column(name, text, nullable=False)


def _whole(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    """A folder of "" is the top, which has no row."""
    op.create_table(
        "folders",
        *(_text("tenant"), _text("owner"), _text("id"), _text("parent_id"), _text("path"), _text("name")),
        *(_text("name_key"), _whole("created_at")),
        sa.PrimaryKeyConstraint("id", name="pk_folders"),
    )
    op.create_index("uq_folders_name", "folders", ["tenant", "owner", "parent_id", "name_key"], unique=True)
    op.create_index("ix_folders_path", "folders", ["tenant", "owner", "path"])
    op.create_table(
        "stored_files",
        *(_text("tenant"), _text("owner"), _text("id"), _text("folder_id"), _text("name"), _text("name_key")),
        *(_text("media_type"), _whole("size"), _text("sha256"), _text("tags")),
        *(_whole("created_at"), _whole("updated_at")),
        sa.PrimaryKeyConstraint("id", name="pk_stored_files"),
    )
    op.create_index("uq_stored_files_name", "stored_files", ["tenant", "owner", "folder_id", "name_key"], unique=True)
    op.create_index("ix_stored_files_size", "stored_files", ["tenant", "owner", "size"])
    op.create_table(
        "upload_grants",
        *(_text("tenant"), _text("owner"), _text("id"), _text("folder_id"), _text("name"), _text("declared_type")),
        *(_whole("size"), _text("sha256"), _text("tags"), _whole("created_at"), _whole("expires_at")),
        sa.PrimaryKeyConstraint("id", name="pk_upload_grants"),
    )
    op.create_index("ix_upload_grants_owner", "upload_grants", ["tenant", "owner", "expires_at"])
    op.create_index("ix_upload_grants_expires_at", "upload_grants", ["expires_at"])
    protect("folders", "stored_files", "upload_grants")
