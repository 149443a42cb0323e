"""What a transaction of the service does with the outbox: the events and deletions that go to the outside."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from server.domain.ids import WorkerId
from server.domain.outbox import Backlog, Outlet, Place, Removal, Span, Unpublished


class Outbox(Protocol):
    """The event table is the outbox: while somebody wants the events, each is stored as unpublished, in the transaction
    that appends it, and stays so until it is marked. One publisher at a time holds the outbox, under a lease with an
    epoch; what another epoch marks is refused."""

    async def want_events(self, until: datetime, *, outlet: Outlet = Outlet.PUBLISHER) -> None:
        """Have events and deletions from now on kept for a publisher, by whatever process they are stored. Those for
        webhooks are kept where there are webhooks; for that outlet this only makes its lease something to be had."""

    async def hold_outbox(
        self,
        publisher: WorkerId,
        *,
        now: datetime,
        until: datetime,
        wanted_until: datetime,
        outlet: Outlet = Outlet.PUBLISHER,
    ) -> int | None:
        """Take or renew the lease; returns its epoch, `None` while it is another's or nobody wants events."""

    async def release_outbox(self, publisher: WorkerId, *, outlet: Outlet = Outlet.PUBLISHER) -> None:
        """Let the publisher's lease end now, if it has it."""

    async def unpublished(self, after: Place, *, limit: int) -> list[Unpublished]:
        """Unpublished events behind a place, in their order. Of each conversation it is a whole stretch of its log: a
        later event never shows before an earlier one, for a conversation's appends are committed in their order."""

    async def mark_published(self, spans: Sequence[Span], *, publisher: WorkerId, epoch: int) -> bool:
        """Mark events as published; `False`, and nothing is marked, when the publisher no longer holds that epoch."""

    async def removals(self, *, limit: int) -> list[Removal]:
        """Deleted conversations of which nobody outside is known to have been told."""

    async def forget_removals(self, gone: Sequence[Removal], *, publisher: WorkerId, epoch: int) -> bool:
        """As `mark_published`, for deletions: nothing is left of them."""

    async def backlog(self) -> Backlog:
        """How much waits."""

    async def forget_wish(self, now: datetime) -> bool:
        """Stop keeping events when nobody has wanted them until `now`; returns whether it stopped."""
