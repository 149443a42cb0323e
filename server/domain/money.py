"""Amounts of money as decimal text, exactly: a unit of the currency is a million of what is counted."""

from decimal import Decimal, InvalidOperation
from typing import Final

_UNIT: Final = 1_000_000
_DIGITS: Final = 6
MOST: Final = 10**15
"""The largest amount, a thousand million units."""


def money_text(amount: int) -> str:
    """Millionths as a decimal number without needless zeros: `0.15`, `20`."""
    whole, rest = divmod(amount, _UNIT)
    return f"{whole}.{rest:06d}".rstrip("0") if rest else str(whole)


def money_amount(text: str | int | Decimal) -> int | None:
    """The millionths that a decimal number stands for; `None` for what is none, is negative, too large, or finer than a
    millionth."""
    try:
        exact = Decimal(text)
    except (InvalidOperation, ValueError):
        return None
    if not exact.is_finite() or not 0 <= exact <= MOST // _UNIT:
        return None
    scaled = exact.scaleb(_DIGITS)
    return int(scaled) if scaled == scaled.to_integral_value() else None
