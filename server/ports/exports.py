"""What a transaction of the store has of everything that is its owner's, as an export shows it; see `ports.store`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

RecordKey = tuple[str | int, ...]
"""What tells a record from the others of its source, and of its parent where it has one. Keys have an order."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where records of one kind come from."""

    name: str
    """Never given to another source; cursors name it."""
    kind: str
    parents: str | None = None
    """The source whose records its records belong to, and by which they are read."""
    is_within_parent: bool = False
    """Whether a key tells a record from those of the same parent only."""
    has_contents: bool = False
    """Whether there is a content of the same id beside each record."""


class PersonalRecords(Protocol):
    """Records of the owner, source by source. Keys ascend and never change, so whoever goes on behind the key that was
    seen last misses nothing that was there and meets nothing twice."""

    def sources(self) -> Sequence[Source]:
        """All sources; always in this order, parents before what belongs to them."""

    async def keys(self, source: str, parent: str, *, after: RecordKey | None, limit: int) -> list[RecordKey]:
        """Keys behind one; `parent` is the id of the record that they belong to, empty for sources without."""

    async def record(self, source: str, parent: str, key: RecordKey) -> Mapping[str, Any] | None:
        """A record as it is now: names and JSON values; `None` when it is gone."""

    def fits(self, source: str, key: RecordKey) -> bool:
        """Whether there is such a source and its keys have that form."""

    async def is_known(self) -> bool:
        """Whether the owner is a user, as `provision` makes them, and not being erased."""
