"""What a transaction of the store does with event logs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from server.domain.events import Event, PartialAnswer, Payload
from server.domain.ids import ConversationId, RunId


class Events(Protocol):
    """Event logs of the owner's conversations."""

    async def append(
        self,
        conversation_id: ConversationId,
        payloads: Sequence[Payload],
        *,
        now: datetime,
        run_id: RunId | None = None,
        epoch: int | None = None,
        actor: str | None = None,
    ) -> list[Event]:
        """Add events at the end of the log, in order; they are published when the unit has committed. `actor` is who
        made them happen in the owner's name."""

    async def after(self, conversation_id: ConversationId, sequence: int, *, limit: int) -> list[Event]:
        """Events behind a sequence, in order."""

    async def first_kept(self, conversation_id: ConversationId) -> int | None:
        """The sequence of the first event that is still there; `None`: none is, or the owner has no such log."""

    async def of_run_after(self, run_id: RunId, sequence: int, *, limit: int) -> list[Event]:
        """Events of one run behind a sequence, in order."""

    async def partial_answer(self, run_id: RunId, *, epoch: int) -> PartialAnswer | None:
        """What an attempt has said so far in the message that it is writing: the one started last, unless that is
        completed. `None` when it is writing none."""
