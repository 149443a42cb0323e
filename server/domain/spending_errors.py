"""Why no model is called: somebody's budget."""

from datetime import datetime, timedelta

from server.domain.errors import ParleyError
from server.domain.money import money_text
from server.domain.spending import Allowance, Unit


class BudgetExceeded(ParleyError):
    """A budget is used up, or wholly reserved by calls under way."""

    reason = "BUDGET_EXCEEDED"

    def __init__(self, allowance: Allowance, now: datetime) -> None:
        whose, period = allowance.whose.lower(), allowance.period.lower()
        limit, left = _amount(allowance, allowance.limit), _amount(allowance, allowance.left)
        resets = allowance.resets_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        is_spent = allowance.used >= allowance.limit
        state = "is used up" if is_spent else "is taken by calls under way"
        unit = "tokens" if allowance.unit is Unit.TOKENS else "cost"
        super().__init__(
            f"the {whose}'s budget of {limit} ({unit}) a {period} {state}; it starts anew at {resets}",
            metadata={
                "budget": f"{allowance.whose}/{allowance.unit}/{allowance.period}",
                "limit": limit,
                "left": left,
                "resets_at": resets,
            },
        )
        self.retry_after = allowance.resets_at - now if is_spent else timedelta(seconds=1)


class ModelUnpriced(ParleyError):
    """The caller has a budget in money, and nobody said what the model costs."""

    reason = "MODEL_UNPRICED"

    def __init__(self, *, provider: str, model: str) -> None:
        super().__init__(
            f"the model {model!r} has no price, and a budget in money bounds this call; use another model",
            metadata={"provider": provider, "model": model},
        )


class BudgetTooLarge(ParleyError):
    """A key would be allowed to spend more than the key that its maker presents."""

    reason = "BUDGET_TOO_LARGE"

    def __init__(self) -> None:
        super().__init__("a key may not be given a larger budget than the key that you present has")


def _amount(allowance: Allowance, value: int) -> str:
    return str(value) if allowance.unit is Unit.TOKENS else money_text(value)
