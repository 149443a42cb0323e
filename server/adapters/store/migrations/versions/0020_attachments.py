"""Files that messages bring along, and what model requests carried of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"


def _text(name: str) -> "sa.Column[str]":
    """A text that sorts by code point, or none."""
    text: sa.types.TypeEngine[str] = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    return sa.Column(name, text, nullable=True)


def upgrade() -> None:
    """JSON beside the message: one that brings nothing along costs nothing more."""
    op.add_column("messages", _text("attachments"))
    op.add_column("model_requests", _text("files"))
