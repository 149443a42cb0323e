"""Memories: what a transaction of the store has of them, who places texts among each other, an owner's index.

The store is the truth. An index is a copy in this process, brought up to date by what changed since: see `MemoryBook`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from server.domain.ids import ConversationId, MemoryId, RunId
from server.domain.memory import Embedded, EmbeddingModel, Extraction, Memory, MemoryBook, Placed, Remembered, Vector
from server.domain.principal import Owner

if TYPE_CHECKING:
    from server.ports.store import ListPosition


class Memories(Protocol):
    """Memories of the owner. Every change gives the owner's book its next revision, in the order of the commits."""

    async def add(self, memory: Memory, vector: Vector) -> MemoryBook:
        """Store a new one; returns the book with it."""

    async def get(self, memory_id: MemoryId) -> Memory | None:
        """The one of that id."""

    async def among(self, memory_ids: Collection[MemoryId]) -> list[Memory]:
        """Those of these ids, in no order."""

    async def page(self, *, limit: int, after: "ListPosition | None") -> list[Memory]:
        """By `created_at` then id, both descending."""

    async def save(self, memory: Memory, vector: Vector) -> bool:
        """Overwrite text, vector and `updated_at`; `False` if it is gone."""

    async def replace_vector(self, placed: Placed, vector: Vector) -> bool:
        """Give a memory the vector of another embedder, unless it has changed since."""

    async def remove(self, memory_id: MemoryId) -> bool:
        """Destroy one; `False` if there is none."""

    async def book(self) -> MemoryBook:
        """How far the owner's memories have got."""

    async def changes(self, *, after: int, limit: int) -> list[Remembered]:
        """Memories that came or changed after a revision, by revision."""

    async def ids(self) -> set[MemoryId]:
        """Of every memory there is."""


class Extractions(Protocol):
    """Extractions of the owner that are not over: what is to be done once, whatever process is killed at it."""

    async def begin(self, run_id: RunId, conversation_id: ConversationId, *, due: datetime) -> None:
        """Note one; nobody else takes it up before `due`. Raises `ConversationNotFound`."""

    async def get(self, run_id: RunId) -> Extraction | None:
        """The one of that run."""

    async def claim(self, run_id: RunId, *, now: datetime, until: datetime) -> Extraction | None:
        """Take one up that is due, so that nobody else does until then; `None` when there is none."""

    async def keep_facts(self, run_id: RunId, facts: Sequence[str]) -> bool:
        """Store what the model said; `False` when it is over, or was asked by somebody else already."""

    async def advance(self, run_id: RunId, *, done: int) -> bool:
        """Note that one more was dealt with; `False` unless `done` are."""

    async def end(self, run_id: RunId) -> bool:
        """Forget it; `False` if it is over already."""


class AllExtractions(Protocol):
    """Extractions, for the service itself."""

    async def due_extractions(self, now: datetime, *, limit: int) -> Sequence[tuple[Owner, RunId]]:
        """Some that nobody has brought to their end, the oldest first, with their owners."""


class Embedder(Protocol):
    """Places texts among each other."""

    @property
    def name(self) -> str:
        """Distinguishes it from all whose vectors are not comparable with its own."""

    @property
    def model(self) -> EmbeddingModel | None:
        """The model that gives the vectors; `None`: they cost nothing."""

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """One vector per text. Raises `EmbedderUnavailable`."""


class MemoryIndex(Protocol):
    """An owner's memories, ready to be searched. Not safe for use from several threads at once."""

    revision: int
    """Up to which it knows the owner's memories. Goes back to 0 when the index has emptied itself."""

    def __len__(self) -> int:
        """How many it holds."""

    def apply(self, changes: Sequence[Remembered]) -> None:
        """Take in what came or changed, up to the revision of the last."""

    def retain(self, memory_ids: Collection[MemoryId]) -> None:
        """Drop what is not among these."""

    def search(self, text: str, vector: Vector, *, limit: int) -> list[tuple[MemoryId, float]]:
        """What fits best, with its score from 0 to 1; the best first, then by id. What does not fit at all is left
        out."""

    def outdated(self, embedder: str, *, limit: int) -> list[Placed]:
        """Memories whose vectors are another embedder's: they are found by their words alone."""


class MemoryIndexes(Protocol):
    """The indices of this process; those that were not asked for the longest time are given up."""

    def of(self, owner: Owner) -> MemoryIndex:
        """The index of an owner, empty at first."""

    def forget(self, owner: Owner) -> None:
        """Give up an owner's. A search under way ends with what it has."""

    def forget_idle(self, idle: timedelta) -> None:
        """Give up all that nobody has asked for as long as that."""
