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
    tokens: int
    """What they take, estimated: once, for results may be megabytes."""
    characters: Mapping[int, int] = field(default_factory=dict)
    """How many are left of a result, by its position; of the others all are."""


def shortened(groups: Sequence[Group], room: int | None, estimator: TokenEstimator) -> Shortened:
    """The groups in so many tokens: every result gets the same, and what short ones leave goes to the others. Takes
    more only when everything else does already, with a note in place of each long result."""
    tokens = _tokens(groups, estimator)
    if room is None or tokens <= room:
        return Shortened(tuple(groups), tokens)
    costs = {_position(each): _cost(each, estimator) for group in groups for each in group.messages if _is_result(each)}
    most = share(sorted(costs.values()), room - (tokens - sum(costs.values())))
    kept: dict[int, int] = {}

    def cut(message: Message) -> Message:
        cost = costs.get(_position(message), 0)
        if cost <= most or not _is_result(message):
            return message
        characters = _characters(message, most, estimator)
        short = beginning(message, characters)
        if _cost(short, estimator) >= cost:
            return message
        kept[_position(message)] = characters
        return short

    short = tuple(Group(tuple(map(cut, group.messages))) for group in groups)
    return Shortened(short, _tokens(short, estimator), kept)


def least_tokens(groups: Sequence[Group], estimator: TokenEstimator) -> int:
    """What the groups take when their results are as short as they can get."""
    return shortened(groups, 0, estimator).tokens


def beginning(message: Message, characters: int) -> Message:
    """A result with so many of its characters, and a note that they are not all."""
    return replace(message, content=f"{message.content[:characters]}\n{REST_LEFT_OUT}" if characters else REST_LEFT_OUT)


def share(costs: Sequence[int], room: int) -> int:
    """What each gets at most, so that all of them fit into the room. `costs` are in order."""
    left = room
    for place, cost in enumerate(costs):
        most = left // (len(costs) - place)
        if cost > most:
            return most
        left -= cost
    return left


def _characters(message: Message, most: int, estimator: TokenEstimator) -> int:
    """How many characters of a result fit into its share together with the note."""
    fits, too_many = 0, min(len(message.content), max(most, 0) * _CHARACTERS_PER_TOKEN) + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if _cost(beginning(message, middle), estimator) <= most:
            fits = middle
        else:
            too_many = middle
    return fits


def _tokens(groups: Sequence[Group], estimator: TokenEstimator) -> int:
    return sum(group.tokens(estimator) for group in groups)


def _cost(message: Message, estimator: TokenEstimator) -> int:
    return estimator.message(shown(message))


def _is_result(message: Message) -> bool:
    return message.role is Role.TOOL


def _position(message: Message) -> int:
    """The message's place; only messages of a history come here."""
    return message.position or 0
