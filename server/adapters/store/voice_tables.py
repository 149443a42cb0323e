"""The table of voice sessions."""

from sqlalchemy import Index
from sqlmodel import Field

from server.adapters.store.columns import STRING, WHOLE, OwnedRow, of


class VoiceSessionRow(OwnedRow, table=True):
    """A call that lives, or whose process ended without a word. `room_url` is empty until it can be joined. No token is
    ever stored."""

    __tablename__ = "voice_sessions"
    __table_args__ = (
        Index("uq_voice_sessions_conversation", "conversation_id", unique=True),
        Index("ix_voice_sessions_owner", "tenant", "owner", "lease_until"),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    conversation_id: str = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    room_name: str = Field(sa_type=STRING)
    room_url: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)
    expires_at: int = Field(sa_type=WHOLE)
    lease_until: int = Field(sa_type=WHOLE)
