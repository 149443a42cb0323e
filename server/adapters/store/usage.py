"""Model calls of the owner and what they cost; every outcome goes into the sums of its day as well."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from server.adapters.store import spending, usage_sums
from server.adapters.store.scope import Scope
from server.adapters.store.times import micros
from server.adapters.store.usage_calls import (
    ADD,
    ADD_SETTLED,
    CLOSE,
    CONVERSATION,
    CORRECT,
    OF_RUN,
    OPEN_IN,
    OPEN_OF_RUN,
    SETTLED,
    accounted_of,
    call_of,
    call_values,
    outcome_values,
)
from server.domain.errors import ConversationNotFound
from server.domain.ids import ConversationId, KeyId, RunId
from server.domain.spending import Spending
from server.domain.usage import AccountedCall, ModelCall, Spent, Total, UsageFilter, UsageRow


@dataclass(frozen=True, slots=True)
class _Counted:
    """What the sums hold of a call."""

    calls: int = 0
    spent: Spent = field(default_factory=Spent)
    cost: int = 0
    is_unpriced: bool = False


_NOTHING: Final = _Counted()


class StoredUsage:
    """See `ports.usage.Usage`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def open(self, call: ModelCall) -> None:
        """Store a call that is under way. Raises `ConversationNotFound`."""
        await self._own(call)
        await self._scope.insert(ADD, [call_values(call)])

    async def settle(self, call: ModelCall, spent: Spent, *, is_kept: bool = True) -> None:
        """Store a call's outcome and add what is new of it to the sums."""
        cost = call.cost(spent)
        before = await self._stored(call, spent, cost) if is_kept else _NOTHING
        change = _difference(_Counted(1, spent, cost or 0, cost is None), before)
        if not any(change.values()):
            return
        shard = usage_sums.shard_of(call)
        await self._scope.fetch(usage_sums.ADD_DAY, **usage_sums.day_values(call, shard), **change)
        tokens = change["input_tokens"] + change["output_tokens"]
        await self._scope.insert(spending.ADD, spending.values(call, shard, tokens, change["cost"]))

    async def open_of_run(self, run_id: RunId) -> list[ModelCall]:
        """Those that a worker's hold on the run keeps under way."""
        return [call_of(row) for row in await self._scope.fetch(OPEN_OF_RUN, run_id=run_id)]

    async def open_in(self, conversation_id: ConversationId) -> list[ModelCall]:
        """Every open one of a conversation."""
        return [call_of(row) for row in await self._scope.fetch(OPEN_IN, conversation_id=conversation_id)]

    async def of_run(self, run_id: RunId, *, offset: int, limit: int) -> list[AccountedCall]:
        """Calls of a run with their outcome."""
        return [accounted_of(row) for row in await self._scope.fetch(OF_RUN, run_id=run_id, offset=offset, limit=limit)]

    async def total_of_run(self, run_id: RunId) -> Total:
        """All of them together."""
        row = await self._scope.fetch_one(usage_sums.TOTAL_OF_RUN, run_id=run_id)
        return usage_sums.total_of(row or ())

    async def totals_of_conversation(self, conversation_id: ConversationId) -> list[UsageRow]:
        """By provider and model."""
        rows = await self._scope.fetch(usage_sums.TOTALS_OF_CONVERSATION, conversation_id=conversation_id)
        return [usage_sums.model_row_of(row) for row in rows]

    async def rows(
        self, wanted: UsageFilter, *, whole_tenant: bool, limit: int, after: UsageRow | None
    ) -> list[UsageRow]:
        """Sums by day, user, key, provider and model."""
        statement = usage_sums.ROWS_OF_TENANT if whole_tenant else usage_sums.ROWS_OF_OWNER
        found = await self._scope.fetch(statement, limit=limit, **usage_sums.wanted_values(wanted, after))
        return [usage_sums.row_of(row) for row in found]

    async def key_days(self, key_id: KeyId, *, since: date) -> list[tuple[date, Total]]:
        """What was used through a key, by day."""
        found = await self._scope.fetch(usage_sums.KEY_DAYS, key_id=key_id, **usage_sums.since_values(since))
        return [usage_sums.key_day_of(row) for row in found]

    async def lock_spending(self) -> None:
        """Let nobody else of the tenant reserve anything until the unit is over."""
        await self._scope.lock_tenant_name("spending")

    async def spending(self, account: KeyId | None, *, now: datetime) -> Spending:
        """What was spent and reserved."""
        # In this order: a call that ends between the two is counted twice rather than not at all.
        reserved = await self._scope.fetch(spending.RESERVED, account=account or "", now=micros(now))
        spent = await self._scope.fetch(spending.SPENT, **spending.month_values(account, now))
        return spending.spending_of(spent, reserved, now)

    async def _own(self, call: ModelCall) -> None:
        if not await self._scope.owns(CONVERSATION, call.conversation_id):
            raise ConversationNotFound(call.conversation_id)

    async def _stored(self, call: ModelCall, spent: Spent, cost: int | None) -> _Counted:
        """Store the outcome; returns what was stored of one before."""
        outcome = outcome_values(spent, cost)
        if await self._scope.fetch_one(CLOSE, of_id=call.id, **outcome) is not None:
            return _NOTHING
        await self._own(call)
        if await self._scope.fetch_one(ADD_SETTLED, **call_values(call), **outcome) is not None:
            return _NOTHING
        found = await self._scope.fetch_one(SETTLED, id=call.id)
        if found is None:  # another owner's, which no id ever is
            raise ConversationNotFound(call.conversation_id)
        await self._scope.fetch(CORRECT, of_id=call.id, **outcome)
        return _counted(found)


def _counted(row: Any) -> _Counted:
    given, said, cached, images, cost, is_estimated = row
    return _Counted(1, Spent(given, said, cached, images, bool(is_estimated)), cost or 0, cost is None)


def _difference(now: _Counted, before: _Counted) -> dict[str, int]:
    """What the sums have to grow by, which may be less than nothing."""
    one, other = now.spent, before.spent
    return {
        "calls": now.calls - before.calls,
        "input_tokens": one.input_tokens - other.input_tokens,
        "output_tokens": one.output_tokens - other.output_tokens,
        "cached_tokens": (one.cached_tokens or 0) - (other.cached_tokens or 0),
        "images": one.images - other.images,
        "cost": now.cost - before.cost,
        "unpriced_calls": now.is_unpriced - before.is_unpriced,
        "estimated_calls": one.is_estimated - other.is_estimated,
    }
