"""What the service's own transaction has of erasures and of conversations that are on their way out; see `ports.store`.

A conversation that is to go with all it holds may be too big for one unit. It is buried first, in one step: it leaves
its owner and nobody finds it, or anything in it, by the conversation any more; its runs that are not over are gone.
Then what it holds is deleted in pieces, by whom and how often interrupted does not matter, and last itself.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from server.domain.erasure import Erasure
from server.domain.ids import ConversationId, ErasureId, FileId, RunId
from server.domain.principal import Owner
from server.domain.retention import Retention
from server.domain.run import Lease
from server.ports.retention import Retentions

if TYPE_CHECKING:
    from server.ports.store import ListPosition


@dataclass(frozen=True, slots=True)
class Buried:
    """Conversations that nobody finds any more, and the runs that were not over in them, which are gone."""

    conversations: tuple[ConversationId, ...] = ()
    runs: tuple[RunId, ...] = ()


class Graves(Protocol):
    """Conversations of a tenant that were buried, and how they get there."""

    async def bury_of(self, owner: Owner, *, limit: int) -> Buried:
        """Bury at most so many conversations of a user, whatever goes on in them."""

    async def untouched(
        self, tenant: str, before: datetime, *, archived_only: bool, limit: int
    ) -> list[ConversationId]:
        """Conversations of a tenant in which nothing was said or changed since a moment and no run is active, waits or
        is parked: all such, or only those that are archived."""

    async def bury_untouched(
        self, tenant: str, found: Collection[ConversationId], before: datetime, *, archived_only: bool
    ) -> Buried:
        """Bury those of them of which that still holds."""

    async def buried_contents(self, tenant: str, *, limit: int) -> list[FileId]:
        """Contents that are still known of files in buried conversations."""

    async def forget_contents(self, file_ids: list[FileId]) -> int:
        """Delete the rows of contents that are destroyed; returns how many there were."""

    async def dig(self, tenant: str, *, limit: int) -> int:
        """Delete at most about so many rows of buried conversations and those that hold nothing any more; returns how
        many rows, 0 when no conversation of the tenant is buried."""

    async def tenant_with_graves(self, after: str = "") -> str | None:
        """The first tenant behind one, by name, with conversations that are buried and not deleted; `None`: there is
        none."""


class Erasures(Protocol):
    """Erasures of users, and their steps. A step does at most so much as it is told and returns how many rows it dealt
    with; 0: it has nothing left to do. Each may be taken again at any time."""

    async def bar(self, user: Owner, now: datetime) -> None:
        """Revoke every key of a user."""

    async def erasure(self, erasure_id: ErasureId) -> Erasure | None:
        """The erasure of that id."""

    async def claim_erasure(self, lease: Lease, now: datetime, *, only: ErasureId | None = None) -> Erasure | None:
        """Take the oldest erasure that is under way and nobody's at `now` (the store's time), or that one."""

    async def hold_erasure(self, erasure_id: ErasureId, lease: Lease, *, conversations: int = 0, rows: int = 0) -> bool:
        """Renew the claim of the lease's worker, and count what was deleted in this unit; `False`: another has it, or
        it is done, and the unit must be undone."""

    async def erase_rows(self, user: Owner, *, limit: int) -> int:
        """Delete rows that are the user's, but for the conversations and the user's own."""

    async def contents_of(self, user: Owner, *, limit: int) -> list[FileId]:
        """Contents of the user's that belong to no conversation."""

    async def rename_traces(self, erasure: Erasure, *, limit: int) -> int:
        """Put the pseudonym in the place of the user's name and UUID in rows of others, and in those that stay."""

    async def end_erasure(self, erasure: Erasure, now: datetime) -> None:
        """Delete the user's own row, and the name from the erasure: it is done."""


class AllRights(Graves, Erasures, Retentions, Protocol):
    """Everything that the service itself does about data rights."""


class TenantRights(Protocol):
    """What an administrator sets going in the owner's tenant. That the owner is one is for the scope to say."""

    async def begin_erasure(self, erasure: Erasure) -> Erasure:
        """Store an erasure of a user of the tenant, who cannot come into being from now on. When one is under way for
        the user, that is returned instead. Raises `UserNotFound`."""

    async def erasure(self, erasure_id: ErasureId) -> Erasure | None:
        """The one of that id."""

    async def erasures(self, *, limit: int, after: "ListPosition | None") -> list[Erasure]:
        """By `requested_at` then id, both descending."""

    async def retention(self) -> Retention:
        """How long the tenant keeps what; everything for ever, unless it has said otherwise."""

    async def set_retention(self, retention: Retention, *, now: datetime) -> None:
        """Store it, as said by the owner, in place of what was said before."""
