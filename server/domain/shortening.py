"""Shortens what tools returned where a model request has no room for it. Pure.

A request always carries what the run that it belongs to has done, and how long the result of a tool is nobody chose:
one that is longer than the model's context would end the run, and so would many together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from server.domain.context import shown
from server.domain.message import Message, Role
from server.domain.tokens import TokenEstimator
from server.domain.tool_groups import Group

REST_LEFT_OUT: Final = (
    "[The rest of this result is left out: it does not fit into the model's context. Ask for less at once.]"
)
_CHARACTERS_PER_TOKEN: Final = 32
"""No text has more: where the search for a length begins."""


@dataclass(frozen=True, slots=True)
class Shortened:
    """Groups with as much of their results as there is room for."""

    groups: tuple[Group, ...]
    characters: Mapping[int, int] = field(default_factory=dict)
    """How many are left of a result, by its position; of the others all are."""


def shortened(groups: Sequence[Group], room: int, estimator: TokenEstimator) -> Shortened:
    """The groups in so many tokens: every result gets the same, and what short ones leave goes to the others. Takes
    more only when everything else does already, with a note in place of each long result."""
    if sum(group.tokens(estimator) for group in groups) <= room:
        return Shortened(tuple(groups))
    results = {message.position or 0: _cost(message, estimator) for group in groups for message in _results(group)}
    others = sum(group.tokens(estimator) for group in groups) - sum(results.values())
    share = _share(sorted(results.values()), room - others)
    kept: dict[int, int] = {}
    cut = tuple(Group(tuple(_cut(message, share, estimator, kept) for message in group.messages)) for group in groups)
    return Shortened(cut, kept)


def least_tokens(groups: Sequence[Group], estimator: TokenEstimator) -> int:
    """What the groups take when their results are as short as they can get."""
    return sum(group.tokens(estimator) for group in shortened(groups, 0, estimator).groups)


def beginning(message: Message, characters: int) -> Message:
    """A result with so many of its characters, and a note that they are not all."""
    return replace(message, content=f"{message.content[:characters]}\n{REST_LEFT_OUT}".lstrip("\n"))


def _cut(message: Message, share: int, estimator: TokenEstimator, kept: dict[int, int]) -> Message:
    """The message, or as much of a result as its share has room for; notes that in `kept`."""
    cost = _cost(message, estimator)
    if message.role is not Role.TOOL or cost <= share:
        return message
    characters = _characters(message, share, estimator)
    short = beginning(message, characters)
    if _cost(short, estimator) >= cost:
        return message
    kept[message.position or 0] = characters
    return short


def _characters(message: Message, share: int, estimator: TokenEstimator) -> int:
    """How many characters of a result fit into its share together with the note."""
    fits, too_many = 0, min(len(message.content), max(share, 0) * _CHARACTERS_PER_TOKEN) + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if _cost(beginning(message, middle), estimator) <= share:
            fits = middle
        else:
            too_many = middle
    return fits


def _share(costs: Sequence[int], room: int) -> int:
    """What each result gets at most, so that all of them fit into the room. `costs` are in order."""
    left = room
    for place, cost in enumerate(costs):
        share = left // (len(costs) - place)
        if cost > share:
            return share
        left -= cost
    return left


def _results(group: Group) -> Sequence[Message]:
    return [message for message in group.messages if message.role is Role.TOOL]


def _cost(message: Message, estimator: TokenEstimator) -> int:
    return estimator.message(shown(message))
