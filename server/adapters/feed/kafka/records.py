"""Records: an event as Kafka keeps it, with what a consumer needs to know before it looks inside."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from server.domain.events import Event
from server.domain.ids import ConversationId
from server.domain.outbox import Removal, Unpublished

SEQUENCE: Final = "sequence"
KIND: Final = "kind"
OVERSIZED: Final = "oversized"
REMOVED: Final = "conversation_deleted"
# What a record takes besides key, value and headers, amply.
_FRAME_BYTES: Final = 64

Header = tuple[str, bytes]


class EventCodec(Protocol):
    """The form in which values are written."""

    content_type: str
    schema: str

    def encode(self, event: Event) -> tuple[str, bytes]:
        """The kind of the event, and the event."""
        ...

    def refer(self, event: Event) -> bytes:
        """The event without what happened: enough to ask for it."""
        ...

    def delta(self, value: bytes, conversation_id: ConversationId) -> Event | None:
        """The event, if it is a piece of an answer; `None` for any other, and for what is no event."""
        ...


class Record(NamedTuple):
    """One entry of the topic."""

    key: bytes
    value: bytes | None
    headers: Sequence[Header]
    time: datetime | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes in a batch, at most."""
        headers = sum(len(name) + len(value) + 16 for name, value in self.headers)
        return _FRAME_BYTES + len(self.key) + len(self.value or b"") + headers


def event_record(entry: Unpublished, codec: EventCodec, *, limit: int) -> Record:
    """An event; by reference when it would be larger than `limit` bytes: its value says everything but what happened,
    and the header `oversized` how large it is."""
    event = entry.event
    kind, value = codec.encode(event)
    headers = [
        (SEQUENCE, b"%d" % event.sequence),
        (KIND, kind.encode()),
        ("schema", codec.schema.encode()),
        ("content-type", codec.content_type.encode()),
        ("tenant", entry.owner.tenant.encode()),
        ("user", entry.owner.user.encode()),
    ]
    if event.run_id is not None:
        headers.append(("run", event.run_id.encode()))
    if event.epoch is not None:
        headers.append(("epoch", b"%d" % event.epoch))
    record = Record(event.conversation_id.encode(), value, headers, event.created_at)
    if record.size <= limit:
        return record
    return record._replace(value=codec.refer(event), headers=[*headers, (OVERSIZED, b"%d" % len(value))])


def removal_record(removal: Removal) -> Record:
    """That a conversation is gone: a record without a value."""
    headers = [
        (KIND, REMOVED.encode()),
        ("tenant", removal.owner.tenant.encode()),
        ("user", removal.owner.user.encode()),
    ]
    return Record(removal.conversation_id.encode(), None, headers)


def header(headers: Iterable[Header], name: str) -> bytes | None:
    """The first of that name."""
    return next((value for key, value in headers if key == name), None)
