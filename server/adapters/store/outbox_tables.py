"""The tables of the outbox, beside the column `unpublished` of the events."""

from sqlmodel import Field

from server.adapters.store.columns import STRING, WHOLE, Row


class EventPublisherRow(Row, table=True):
    """The one row, named `events`, that says that somebody wants events, and who publishes them. It is nobody's data.
    While it is there, every event is stored as unpublished."""

    __tablename__ = "event_publisher"

    name: str = Field(primary_key=True, sa_type=STRING)
    worker: str | None = Field(sa_type=STRING)
    epoch: int = Field(sa_type=WHOLE)
    lease_until: int = Field(sa_type=WHOLE)
    wanted_until: int = Field(sa_type=WHOLE)


class EventRemovalRow(Row, table=True):
    """A deleted conversation of which the outside is not told yet. The row goes as soon as that has happened."""

    __tablename__ = "event_removals"

    tenant: str = Field(primary_key=True, sa_type=STRING)
    owner: str = Field(primary_key=True, sa_type=STRING)
    conversation_id: str = Field(primary_key=True, sa_type=STRING)
