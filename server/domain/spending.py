"""Budgets: how much may be spent in a day or a month (UTC), of which key and which tenant. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

from server.domain.ids import KeyId


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent; `None` where nothing bounds it. Costs are millionths of the currency's unit."""

    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    cost_per_day: int | None = None
    cost_per_month: int | None = None

    @property
    def is_unbounded(self) -> bool:
        """Whether it bounds nothing."""
        return self == UNBOUNDED

    @property
    def has_costs(self) -> bool:
        """Whether it bounds what is paid."""
        return self.cost_per_day is not None or self.cost_per_month is not None

    def narrowed(self, other: "Budget") -> "Budget":
        """What both allow."""
        return Budget(**{one.name: _least(getattr(self, one.name), getattr(other, one.name)) for one in fields(self)})

    def goes_beyond(self, other: "Budget") -> bool:
        """Whether it says anything that is more than the other allows."""
        return any(
            getattr(self, one.name) not in (None, _least(getattr(self, one.name), getattr(other, one.name)))
            for one in fields(self)
        )


UNBOUNDED: Final = Budget()


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays for a model call, besides the tenant: a key, or nobody."""

    key_id: KeyId | None = None
    account: KeyId | None = None
    """The first of the keys that followed each other by rotation: together they have one budget."""
    budget: Budget = UNBOUNDED
    """The key's own, as it was when the call came in."""


NOBODY: Final = Payer()


@dataclass(frozen=True, slots=True)
class Budgets:
    """What the operator allows."""

    every_key: Budget = UNBOUNDED
    every_tenant: Budget = UNBOUNDED
    tenants: Mapping[str, Budget] = field(default_factory=dict)
    """Of single tenants, instead."""

    def of_tenant(self, tenant: str) -> Budget:
        """The tenant's."""
        return self.tenants.get(tenant, self.every_tenant)

    def of_key(self, payer: Payer) -> Budget:
        """The key's own, at most what every key may."""
        return UNBOUNDED if payer.key_id is None else payer.budget.narrowed(self.every_key)

    @property
    def has_costs(self) -> bool:
        """Whether any of them bounds what is paid."""
        return any(each.has_costs for each in (self.every_key, self.every_tenant, *self.tenants.values()))


class Whose(StrEnum):
    """What a budget is for."""

    KEY = "KEY"
    TENANT = "TENANT"


class Period(StrEnum):
    """For how long a budget lasts."""

    DAY = "DAY"
    MONTH = "MONTH"

    def end(self, now: datetime) -> datetime:
        """When the one of `now` is over."""
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
        if self is Period.DAY:
            return midnight + timedelta(days=1)
        return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)


class Unit(StrEnum):
    """What a budget counts."""

    TOKENS = "TOKENS"
    COST = "COST"


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent, and what calls under way may need."""

    tokens_today: int = 0
    tokens_this_month: int = 0
    cost_today: int = 0
    cost_this_month: int = 0
    tokens_reserved: int = 0
    cost_reserved: int = 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """One bound of a budget, and how much of it is gone."""

    whose: Whose
    period: Period
    unit: Unit
    limit: int
    used: int
    reserved: int
    resets_at: datetime

    @property
    def left(self) -> int:
        """What may still be spent, at least 0."""
        return max(0, self.limit - self.used - self.reserved)

    @property
    def is_used_up(self) -> bool:
        """Whether nothing more may be begun."""
        return self.used + self.reserved >= self.limit


def allowances(budget: Budget, spending: Spending, *, whose: Whose, now: datetime) -> Iterator[Allowance]:
    """Every bound of a budget."""
    day, month, tokens, cost = Period.DAY, Period.MONTH, Unit.TOKENS, Unit.COST
    bounds = (
        (day, tokens, budget.tokens_per_day, spending.tokens_today, spending.tokens_reserved),
        (month, tokens, budget.tokens_per_month, spending.tokens_this_month, spending.tokens_reserved),
        (day, cost, budget.cost_per_day, spending.cost_today, spending.cost_reserved),
        (month, cost, budget.cost_per_month, spending.cost_this_month, spending.cost_reserved),
    )
    for period, unit, limit, used, reserved in bounds:
        if limit is not None:
            yield Allowance(whose, period, unit, limit, used, reserved, period.end(now))


def first_of_month(day: date) -> date:
    """The day on which the month of a day began."""
    return day.replace(day=1)


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
