"""What model calls take: tokens, images, money. Pure; money is whole millionths of the currency's unit."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from server.domain.ids import ConversationId, KeyId, MessageId, ModelRequestId, RunId
from server.domain.tokens import TokenEstimator

NO_CONVERSATION: Final = ConversationId("")
"""Of calls that are for none: only the sums know of them."""
_MILLION: Final = 1_000_000


class CallKind(StrEnum):
    """What a model was called for."""

    ANSWER = "ANSWER"
    IMAGE = "IMAGE"
    TITLE = "TITLE"
    SUMMARY = "SUMMARY"
    MEMORY = "MEMORY"
    """What is worth remembering was looked for."""
    EMBEDDING = "EMBEDDING"
    """Texts were placed among others."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one call took."""

    input_tokens: int = 0
    """Cached ones included."""
    output_tokens: int = 0
    cached_tokens: int | None = None
    """Those of the input that the provider had kept; `None`: it did not say."""
    images: int = 0
    is_estimated: bool = False
    """Whether the provider did not report it."""

    @property
    def tokens(self) -> int:
        """As budgets count them."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs: millionths of a unit for a million tokens, and for one image; `None` where nobody said."""

    input: int | None = None
    output: int | None = None
    cached_input: int | None = None
    """`None`: as much as any input."""
    image: int | None = None

    def cost(self, kind: CallKind, spent: Spent) -> int | None:
        """What a call costs, rounded up once; `None` when a price is missing that it needs."""
        tokens = self._of_tokens(spent)
        if kind is not CallKind.IMAGE:
            return tokens
        if self.image is not None:
            return self.image * spent.images + (tokens or 0)
        return tokens if spent.tokens else None

    def _of_tokens(self, spent: Spent) -> int | None:
        if self.input is None or self.output is None:
            return None
        cached = min(spent.cached_tokens or 0, spent.input_tokens)
        kept = self.input if self.cached_input is None else self.cached_input
        exact = (spent.input_tokens - cached) * self.input + cached * kept + spent.output_tokens * self.output
        return -(-exact // _MILLION)


FREE: Final = Price(input=0, output=0, image=0)
"""Of what runs offline."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call of a model, as it is known before its outcome. Its price is that of its beginning, for good."""

    id: ModelRequestId
    kind: CallKind
    conversation_id: ConversationId
    provider: str
    model: str
    started_at: datetime
    estimated_input: int
    """Estimated tokens of what is asked."""
    most_output: int
    """Estimated tokens that the answer takes at most."""
    price: Price | None = None
    run_id: RunId | None = None
    message_id: MessageId | None = None
    """The message that its answer becomes."""
    key_id: KeyId | None = None
    account: KeyId | None = None
    """The key under which that key's spending is counted."""
    expires_at: datetime | None = None
    """Until when it counts as under way; `None`: as long as a worker holds the run."""

    @property
    def day(self) -> date:
        """The day (UTC) that it belongs to, whenever it ends."""
        return self.started_at.date()

    @property
    def reserved(self) -> Spent:
        """What it is taken to need while it is under way."""
        images = int(self.kind is CallKind.IMAGE)
        return Spent(self.estimated_input, self.most_output, images=images, is_estimated=True)

    def given_up(self, said: str = "") -> Spent:
        """What it is taken to have cost when nobody heard its end, with what is known to have been said."""
        images = int(self.kind is CallKind.IMAGE)
        return Spent(self.estimated_input, TokenEstimator().text(said), images=images, is_estimated=True)

    def cost(self, spent: Spent) -> int | None:
        """What that costs; `None` when nobody said what the model costs."""
        return None if self.price is None else self.price.cost(self.kind, spent)


@dataclass(frozen=True, slots=True)
class AccountedCall:
    """A call with its outcome."""

    call: ModelCall
    spent: Spent
    cost: int | None


@dataclass(frozen=True, slots=True)
class Total:
    """What several calls took together."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    images: int = 0
    cost: int = 0
    """Of those whose price was known."""
    unpriced_calls: int = 0
    estimated_calls: int = 0

    @property
    def known_cost(self) -> int | None:
        """The cost, unless not one of them has any."""
        return None if self.calls and self.unpriced_calls == self.calls else self.cost


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What was used on a day, by a user, through a key, of a model."""

    day: date
    user: str
    key_id: KeyId | None
    provider: str
    model: str
    total: Total


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which usage is looked for; `None` is any."""

    key_id: KeyId | None = None
    model: str | None = None
    user: str | None = None
    first: date | None = None
    last: date | None = None


def summed(totals: Iterable[Total]) -> Total:
    """All of them together."""
    together = Total()
    for each in totals:
        together = Total(*(getattr(together, one.name) + getattr(each, one.name) for one in fields(Total)))
    return together
