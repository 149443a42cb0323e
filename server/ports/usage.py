"""What a transaction of the store has of usage; see `ports.store` for what holds of every part of one.

A call is stored when something of it is, open as long as its outcome is not known; its outcome is added to the sums of
its day in the transaction that stores it. The sums outlive the conversation, the call does not.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from server.domain.ids import ConversationId, KeyId, RunId
from server.domain.principal import Owner
from server.domain.spending import Spending
from server.domain.usage import AccountedCall, ModelCall, Spent, Total, UsageFilter, UsageRow


class Usage(Protocol):
    """Model calls of the owner, and what they cost."""

    async def open(self, call: ModelCall) -> None:
        """Store a call that is under way. Raises `ConversationNotFound`; one that is stored stays as it is."""

    async def settle(self, call: ModelCall, spent: Spent, *, is_kept: bool = True) -> None:
        """Store a call's outcome, or a better known one instead of an estimate, and add the difference to the sums.
        The same outcome twice changes nothing. `is_kept`: False for one whose conversation is gone, and which was
        never stored; only the sums know of it."""

    async def open_of_run(self, run_id: RunId) -> list[ModelCall]:
        """The calls of a run that are under way as long as a worker holds it, in the order of their beginning."""

    async def open_in(self, conversation_id: ConversationId) -> list[ModelCall]:
        """Every open call of a conversation, in that order."""

    async def of_run(self, run_id: RunId, *, offset: int, limit: int) -> list[AccountedCall]:
        """Calls of a run with their outcome, by beginning, then id."""

    async def total_of_run(self, run_id: RunId) -> Total:
        """All of them together."""

    async def totals_of_conversation(self, conversation_id: ConversationId) -> list[UsageRow]:
        """What a conversation has used of every model; by provider, then model. The days are those of the first
        calls."""

    async def rows(
        self, wanted: UsageFilter, *, whole_tenant: bool, limit: int, after: UsageRow | None
    ) -> list[UsageRow]:
        """Sums by day (the latest first), user, key, provider and model; of the owner alone, or of the `whole_tenant`,
        for who may see that."""

    async def key_days(self, key_id: KeyId, *, since: date) -> list[tuple[date, Total]]:
        """What was used through a key of the tenant, whoever it acted for, by day, the earliest first. Whose key it
        is must be known."""

    async def lock_spending(self) -> None:
        """Let nobody else of the tenant reserve anything until this unit is over."""

    async def spending(self, account: KeyId | None, *, now: datetime) -> Spending:
        """What was spent on a key's account, or for `None` by the whole tenant, and what calls under way may need."""


class AllUsage(Protocol):
    """Usage, for the service itself."""

    async def lapsed_calls(
        self, now: datetime, *, begun_before: datetime, limit: int
    ) -> Sequence[tuple[Owner, ModelCall]]:
        """Open calls begun before a moment whose time is over at `now`, and those of runs that no worker holds: who
        made them is gone."""
