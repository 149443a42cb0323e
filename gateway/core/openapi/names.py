"""The names of schemas in the document: the message's full name, and what tells several forms of it apart."""

import itertools
from collections import defaultdict
from collections.abc import Collection
from typing import Any, NamedTuple, Self

from gateway.core.dialect import Dialect
from gateway.core.openapi.wire import Direction, Wire


class Key(NamedTuple):
    """A message (or enum) in one form of JSON."""

    full_name: str
    wire: Wire

    @classmethod
    def of_enum(cls, full_name: str, direction: Direction) -> Self:
        """Give the key of an enum, whose JSON depends on nothing but the direction."""
        plain = Dialect()
        return cls(full_name, Wire.received(plain) if direction is Direction.INPUT else Wire.sent(plain))


def component_names(keys: Collection[Key]) -> dict[Key, str]:
    """Name every key: `a.B` alone, `a.B-input` beside a form that is sent, and further traits where those still clash.

    The names depend on the forms of that one message only, so they stay as they are when others come to be used.
    """
    by_name: dict[str, list[Key]] = defaultdict(list)
    for key in keys:
        by_name[key.full_name].append(key)
    return {key: _name(key, alike) for alike in by_name.values() for key in alike}


def _name(key: Key, alike: list[Key]) -> str:
    same_way = [other for other in alike if other.wire.direction is key.wire.direction]
    both_ways = len(same_way) < len(alike)
    suffix = ["input"] if both_ways and key.wire.is_input else []
    columns = zip(*(other.wire.traits for other in same_way), strict=True)
    suffix += [own for own, column in zip(key.wire.traits, columns, strict=True) if len(set(column)) > 1]
    return "-".join([key.full_name, *suffix])


def keep(kept: dict[str, dict[str, Any]], name: str, part: dict[str, Any]) -> str:
    """Keep a part of the document under `name`, or `name-2` and so on where another part has it, and give the name."""
    for candidate in itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2))):
        if kept.setdefault(candidate, part) == part:
            return candidate
    raise AssertionError("the numbers do not end")
