"""Use cases of reading back what models cost, and what may still be spent."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from server.application.conversations import find
from server.application.paging import Page, cut, list_position, list_token, number_position, number_token
from server.application.run_lookup import find_run
from server.application.spending_rules import SpendingRules
from server.domain.errors import InvalidPageToken
from server.domain.ids import KeyId, RunId
from server.domain.limits import Limits
from server.domain.principal import Owner, Principal
from server.domain.spending import Allowance
from server.domain.usage import AccountedCall, Total, UsageFilter, UsageRow, summed
from server.ports.store import ListPosition, Store, Transaction
from server.ports.system import Clock

_KIND = "usage"


@dataclass(frozen=True, slots=True)
class RunUsage:
    """What a run used."""

    total: Total
    calls: Page[AccountedCall]


@dataclass(frozen=True, slots=True)
class ThreadUsage:
    """What a thread used, together and by model."""

    total: Total
    models: list[UsageRow]


class UsageRecords:
    """Usage for who may read it."""

    def __init__(self, *, store: Store, clock: Clock, limits: Limits, rules: SpendingRules) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._rules = rules

    async def page(
        self, owner: Owner, wanted: UsageFilter, *, whole_tenant: bool, page_size: int, page_token: str
    ) -> Page[UsageRow]:
        """Sums of days, the latest first. That the caller may see the `whole_tenant` is for the scope to say. Raises
        `InvalidPageToken`."""
        size, after = page_size or self._limits.default_page, _position(page_token)

        async def unit(tx: Transaction) -> list[UsageRow]:
            return await tx.usage.rows(wanted, whole_tenant=whole_tenant, limit=size + 1, after=after)

        return cut(await self._store.read(owner, unit), size, _token)

    async def of_run(self, owner: Owner, run_id: RunId, *, page_size: int, page_token: str) -> RunUsage:
        """What a run used so far. Raises `RunNotFound`, `InvalidPageToken`."""
        size, kind = page_size or self._limits.default_page, f"{_KIND}/{run_id}"
        offset = number_position(kind, page_token)

        async def unit(tx: Transaction) -> RunUsage:
            await find_run(tx, run_id)
            found = await tx.usage.of_run(run_id, offset=offset, limit=size + 1)
            return RunUsage(
                await tx.usage.total_of_run(run_id), cut(found, size, lambda _: number_token(kind, offset + size))
            )

        return await self._store.read(owner, unit)

    async def of_thread(self, owner: Owner, key: str) -> ThreadUsage:
        """What a thread used so far. Raises `ConversationNotFound`."""

        async def unit(tx: Transaction) -> ThreadUsage:
            models = await tx.usage.totals_of_conversation((await find(tx, key)).id)
            return ThreadUsage(summed(row.total for row in models), models)

        return await self._store.read(owner, unit)

    async def budgets(self, principal: Principal) -> list[Allowance]:
        """What bounds the caller's calls of models, and how much of it is gone."""
        now = self._clock.now()
        return await self._store.read(principal.owner, lambda tx: self._rules.allowances(tx, principal.payer, now=now))


def _token(row: UsageRow) -> str:
    names = json.dumps([row.user, row.key_id or "", row.provider, row.model])
    return list_token(_KIND, ListPosition(datetime(row.day.year, row.day.month, row.day.day, tzinfo=UTC), names))


def _position(token: str) -> UsageRow | None:
    position = list_position(_KIND, token)
    if position is None:
        return None
    try:
        user, key_id, provider, model = map(str, json.loads(position.id))
    except (ValueError, TypeError) as error:
        raise InvalidPageToken from error
    return UsageRow(position.time.date(), user, KeyId(key_id) if key_id else None, provider, model, Total())
