"""Which messages the next summary of a history takes in. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.domain.compaction import Compaction
from server.domain.conversation import Conversation
from server.domain.message import Message
from server.domain.model_request import Bounds, select
from server.domain.tokens import TokenEstimator
from server.domain.tool_groups import Group, grouped, last_turn
from server.domain.transcript import entry


@dataclass(frozen=True, slots=True)
class Unsummarised:
    """A history behind its newest summary, as it was read at one moment."""

    conversation: Conversation
    previous: Compaction | None
    """The newest summary of the active branch."""
    version: int
    """Of the newest summary of the conversation, whatever its branch; 0: it has none."""
    history: Sequence[Message]
    """Everything behind `previous`."""
    estimator: TokenEstimator

    def before_last_turn(self) -> "Plan | None":
        """Everything but the last user message and what follows it: that may still grow."""
        groups = grouped(self.history).groups
        return self._plan(groups, last_turn(groups))

    def all_but_half(self, bounds: Bounds) -> "Plan | None":
        """All that half of a request has no room for, so that the next summary is not due with the next message; and
        the summary itself, when it takes that half: another model's context was longer."""
        half = Bounds(max(1, bounds.messages // 2), None if bounds.tokens is None else bounds.tokens // 2)
        prompt = self.conversation.settings.system_prompt
        kept = select(self.history, system_prompt=prompt, summary=None, bounds=half, estimator=self.estimator)
        groups = grouped(self.history).groups
        first = kept.included[0].first if kept.included else 0
        count = sum(_first(group) < first for group in groups)
        return self._plan(groups, count, is_due=self._takes_more_than(half.tokens))

    @property
    def tokens(self) -> int:
        """Estimated tokens of what requests carry of the history if they carry all that is not summarised."""
        summary = self.estimator.text(self.previous.text) if self.previous else 0
        return summary + sum(group.tokens(self.estimator) for group in grouped(self.history).groups)

    def tokens_with(self, compaction: Compaction) -> int:
        """The same once that summary is there."""
        behind = [group for group in grouped(self.history).groups if _first(group) > compaction.upto]
        return compaction.tokens_after + sum(group.tokens(self.estimator) for group in behind)

    def _takes_more_than(self, tokens: int | None) -> bool:
        """Whether the summary so far is longer than that."""
        return self.previous is not None and tokens is not None and self.estimator.text(self.previous.text) > tokens

    def _plan(self, groups: Sequence[Group], count: int, *, is_due: bool = False) -> "Plan | None":
        return Plan(self, tuple(groups[: count + 1]), count) if count or (is_due and groups) else None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be summarised."""

    of: Unsummarised
    groups: tuple[Group, ...]
    """In order, and the one behind them."""
    count: int
    """How many of them; 0: only the summary so far is made shorter."""

    @property
    def texts(self) -> list[str]:
        """What each of them says."""
        return [entry(group.messages) for group in self.groups[: self.count]]

    def upto(self, count: int) -> int:
        """The last position that a summary of so many of them covers."""
        return _first(self.groups[count]) - 1

    def tokens(self, count: int) -> int:
        """Estimated tokens of so many of them."""
        return sum(group.tokens(self.of.estimator) for group in self.groups[:count])


def _first(group: Group) -> int:
    return group.messages[0].position or 0
