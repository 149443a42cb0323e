"""What passed between a model and its tools is found among the messages without a look at the others."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_IS_ASIDE = sa.text("(role = 'tool' OR (tool_calls IS NOT NULL AND content = ''))")


def upgrade() -> None:
    """Index it."""
    op.create_index(
        "ix_messages_aside",
        "messages",
        ["conversation_id", "position"],
        sqlite_where=_IS_ASIDE,
        postgresql_where=_IS_ASIDE,
    )
