"""What the other three APIs show: who did what, summaries, images; models, files, cached answers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.domain.principal import Owner

revision = "0002"
down_revision = "0001"


def _string() -> sa.types.TypeEngine[str]:
    """Text that sorts by code point."""
    return sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Widen the tables, fill in what older rows can tell, create the new ones."""
    _widen()
    _attribute()
    _create_models()
    _create_files()
    _create_cached_answers()


def _widen() -> None:
    for name in ("model", "image_model", "summary"):
        op.add_column("conversations", sa.Column(name, _string(), nullable=False, server_default=""))
    for name in ("assistant_id", "created_by", "updated_by", "accessed_by"):
        op.add_column("conversations", sa.Column(name, _string(), nullable=True))
    op.add_column("conversations", sa.Column("accessed_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_conversations_created_at", "conversations", ["tenant", "owner", "created_at", "id"])
    for name in ("image", "message_metadata"):
        op.add_column("messages", sa.Column(name, _string(), nullable=True))
    op.add_column("runs", sa.Column("options", _string(), nullable=False, server_default="{}"))
    op.create_index("uq_organizations_name", "organizations", ["tenant", "name"], unique=True)


def _attribute() -> None:
    """Until now only an owner changed a conversation, and its last answer names the model it used."""
    connection = op.get_bind()
    attribute = sa.text(
        "UPDATE conversations SET created_by = :who, updated_by = :who WHERE tenant = :tenant AND owner = :owner"
    )
    for tenant, owner in connection.execute(sa.text("SELECT DISTINCT tenant, owner FROM conversations")).fetchall():
        connection.execute(attribute, {"who": Owner(tenant, owner).user_id, "tenant": tenant, "owner": owner})
    connection.execute(
        sa.text(
            "UPDATE conversations SET model = coalesce((SELECT model FROM messages"
            " WHERE conversation_id = conversations.id AND model IS NOT NULL ORDER BY position DESC LIMIT 1), '')"
        )
    )


def _create_models() -> None:
    op.create_table(
        "models",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column(
            "organization_id",
            _string(),
            sa.ForeignKey("organizations.id", ondelete="CASCADE", name="fk_models_organization_id"),
            nullable=False,
        ),
        sa.Column("id", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("provider", _string(), nullable=False),
        sa.Column("name", _string(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "organization_id", "id", name="pk_models"),
    )
    op.create_index("ix_models_organization", "models", ["organization_id"])


def _create_files() -> None:
    op.create_table(
        "files",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("id", _string(), nullable=False),
        sa.Column(
            "conversation_id",
            _string(),
            sa.ForeignKey("conversations.id", ondelete="CASCADE", name="fk_files_conversation_id"),
            nullable=False,
        ),
        sa.Column("name", _string(), nullable=False),
        sa.Column("media_type", _string(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", _string(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
    )
    op.create_index("ix_files_conversation", "files", ["conversation_id"])


def _create_cached_answers() -> None:
    op.create_table(
        "cached_answers",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("key", _string(), nullable=False),
        sa.Column("answer", _string(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "owner", "key", name="pk_cached_answers"),
    )
    op.create_index("ix_cached_answers_expires_at", "cached_answers", ["expires_at"])
