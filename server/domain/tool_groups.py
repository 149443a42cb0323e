"""What of a history belongs together in a model request: a message that asks for tools, and the results of its calls.

Every provider refuses a call without a result and a result without its call. Histories have neither where they were
written; a window, a fork or a fault can make both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from server.domain.context import PromptMessage, shown
from server.domain.message import Message, Role
from server.domain.tokens import TokenEstimator
from server.domain.value import value

NO_RESULT: Final = "The result of this call is not known: the conversation was cut before it came."


@value(frozen=True, slots=True)
class Part:
    """One message of a request, and the message of the history that it shows, with as much as it shows of it; `None`
    for what the service wrote."""

    message: PromptMessage
    source: Message | None = None


@dataclass(frozen=True)
class Group:
    """Messages that a request carries together or not at all, in order: one, or one with calls and their results."""

    messages: tuple[Message, ...]

    @cached_property  # asked for twice, for its tokens and for the request; hence no slots
    def parts(self) -> list[Part]:
        """What a request carries of it: each call has one result, right behind. One that is missing is made up."""
        if len(self.messages) == 1 and not self.messages[0].tool_calls:
            return [Part(shown(self.messages[0]), self.messages[0])]
        answered = {message.tool_call_id for message in self.messages[1:]}
        missing = [call.id for call in self.messages[0].tool_calls if call.id not in answered]
        return [Part(shown(message), message) for message in self.messages] + [
            Part(PromptMessage(Role.TOOL, NO_RESULT, tool_call_id=call_id)) for call_id in missing
        ]

    def tokens(self, estimator: TokenEstimator) -> int:
        """Estimated tokens of what a request carries of it."""
        return sum(estimator.message(part.message) for part in self.parts)

    @property
    def has_user_message(self) -> bool:
        """Whether a user speaks in it."""
        return self.messages[0].role is Role.USER


@dataclass(frozen=True, slots=True)
class Grouped:
    """A history in groups, the oldest first, and what belongs to none."""

    groups: tuple[Group, ...]
    empty: tuple[Message, ...]
    """Messages without text, calls or image: an answer ended before its first token. Providers refuse them."""
    orphans: tuple[Message, ...]
    """Results whose call is not right in front of them, or has a result already."""


def grouped(history: Sequence[Message]) -> Grouped:
    """The groups of a history, or of the end of one."""
    empty: list[Message] = []
    orphans: list[Message] = []
    groups = tuple(_groups(history, empty, orphans))
    return Grouped(groups, tuple(empty), tuple(orphans))


def last_turn(groups: Sequence[Group]) -> int:
    """Index of the first group of what every request carries: from the last user message on, that and what the run
    which answers it has done; without a user message the last group alone."""
    places = (place for place in reversed(range(len(groups))) if groups[place].has_user_message)
    return next(places, max(0, len(groups) - 1))


def _groups(history: Sequence[Message], empty: list[Message], orphans: list[Message]) -> Iterator[Group]:
    open_calls: set[str] = set()
    members: list[Message] = []
    for message in history:
        if message.role is Role.TOOL:
            if message.tool_call_id in open_calls:
                open_calls.remove(message.tool_call_id)
                members.append(message)
            else:
                orphans.append(message)
            continue
        if not (message.content or message.tool_calls or message.image):
            empty.append(message)
            continue
        if members:
            yield Group(tuple(members))
        members = [message]
        open_calls = {call.id for call in message.tool_calls}
    if members:
        yield Group(tuple(members))
