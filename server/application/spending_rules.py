"""Whether a model may be called: prices and budgets of the configuration, held against what was spent."""

from collections.abc import Collection, Mapping
from datetime import datetime

from server.domain.principal import Owner
from server.domain.spending import Allowance, Budget, Budgets, Payer, Whose, allowances
from server.domain.spending_errors import BudgetExceeded, ModelUnpriced
from server.domain.usage import FREE, Price
from server.ports.store import Transaction


class SpendingRules:
    """What the operator has configured. `prices` are found by provider and model."""

    def __init__(
        self,
        *,
        prices: Mapping[tuple[str, str], Price] | None = None,
        free: Collection[str] = (),
        budgets: Budgets | None = None,
    ) -> None:
        """`free` are providers behind which there is no model."""
        self._prices = prices or {}
        self._free = frozenset(free)
        self.budgets = budgets or Budgets()
        """What may be spent."""

    def price(self, provider: str, model: str) -> Price | None:
        """What a model costs; `None`: nobody said."""
        return FREE if provider in self._free else self._prices.get((provider, model))

    def concern(self, tenant: str, payer: Payer) -> bool:
        """Whether any budget bounds that payer's calls."""
        return not self.budgets.of_tenant(tenant).is_unbounded or not self.budgets.of_key(payer).is_unbounded

    async def check(self, tx: Transaction, payer: Payer, provider: str, model: str, *, now: datetime) -> None:
        """Let a call of a model pass while anything is left of every budget that bounds it. Raises `BudgetExceeded`,
        `ModelUnpriced`."""
        if any(budget.has_costs for _, budget in self._bounds(tx.owner, payer)) and self.price(provider, model) is None:
            raise ModelUnpriced(provider=provider, model=model)
        for each in await self.allowances(tx, payer, now=now):
            if each.is_used_up:
                raise BudgetExceeded(each, now)

    async def allowances(self, tx: Transaction, payer: Payer, *, now: datetime) -> list[Allowance]:
        """Every bound that concerns a payer's calls, and how much of it is gone."""
        found: list[Allowance] = []
        for whose, budget in self._bounds(tx.owner, payer):
            account = payer.account if whose is Whose.KEY else None
            spending = await tx.usage.spending(account, now=now)
            found += allowances(budget, spending, whose=whose, now=now)
        return found

    def _bounds(self, owner: Owner, payer: Payer) -> list[tuple[Whose, Budget]]:
        of = [(Whose.KEY, self.budgets.of_key(payer)), (Whose.TENANT, self.budgets.of_tenant(owner.tenant))]
        return [(whose, budget) for whose, budget in of if not budget.is_unbounded]
