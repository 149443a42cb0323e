"""Streams of deltas that ask for tools, in the ways in which servers send them."""

from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import strategies as st

from server.ports.provider import RequestedCall

OFFERED = ("get_weather", "get", "clock__now", "clock__now_utc", "aa")
"""Names of which some begin others, and one repeats its first letter."""

Deltas = list[dict[str, Any]]
"""The pieces of one call, each an item of `tool_calls`."""

texts = st.text(max_size=12) | st.sampled_from(["{", '{"', "}", "{}", '":', "\\", "\u2028"])
arguments = st.dictionaries(
    texts, st.none() | st.integers(-9, 9) | texts | st.lists(texts, max_size=2), max_size=3
).map(lambda value: orjson.dumps(value).decode())


@st.composite
def slices(draw: st.DrawFn, text: str, *, least: int = 1) -> list[str]:
    """A text in pieces, of which some may be empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), min_size=least - 1, max_size=6)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _item(**members: Any) -> dict[str, Any]:
    """An item without the members that are `None`."""
    function = {name: members.pop(name, None) for name in ("name", "arguments")}
    item: dict[str, Any] = {name: value for name, value in members.items() if value is not None}
    item["function"] = {name: value for name, value in function.items() if value is not None}
    return item


def _by_the_book(draw: st.DrawFn, index: int, call: RequestedCall) -> Deltas:
    first = _item(index=index, id=call.provider_id, type="function", name=call.name, arguments="")
    return [first, *(_item(index=index, arguments=piece) for piece in draw(slices(call.arguments)))]


def _blank_repetitions(draw: st.DrawFn, index: int, call: RequestedCall) -> Deltas:
    first, *rest = _by_the_book(draw, index, call)
    return [first, *({**item, "id": "", "function": {"name": "", **item["function"]}} for item in rest)]


def _all_repeated(draw: st.DrawFn, index: int, call: RequestedCall) -> Deltas:
    pieces = draw(slices(call.arguments))
    return [_item(index=index, id=call.provider_id, name=call.name, arguments=piece) for piece in pieces]


def _id_at_last(draw: st.DrawFn, index: int, call: RequestedCall) -> Deltas:
    first, *rest = _by_the_book(draw, index, call)
    del first["id"]
    return [first, *rest, _item(index=index, id=call.provider_id)]


def _name_in_pieces(draw: st.DrawFn, index: int, call: RequestedCall) -> Deltas:
    first, *rest = _by_the_book(draw, index, call)
    names = [piece for piece in draw(slices(call.name)) if piece]
    return [{**first, "function": {}}, *(_item(index=index, name=piece) for piece in names), *rest]


def _other_ids(draw: st.DrawFn, index: int, call: RequestedCall) -> Deltas:
    first, *rest = _by_the_book(draw, index, call)
    return [first, *({**item, "id": f"{call.provider_id}-{place}"} for place, item in enumerate(rest))]


def _ids_for_indices(draw: st.DrawFn, index: int, call: RequestedCall) -> Deltas:
    return [{"id": call.provider_id, "function": item["function"]} for item in _by_the_book(draw, index, call)]


INTERLEAVED: list[Callable[[st.DrawFn, int, RequestedCall], Deltas]] = [
    _by_the_book,
    _blank_repetitions,
    _all_repeated,
    _id_at_last,
    _name_in_pieces,
    _other_ids,
    _ids_for_indices,
]
"""Ways in which pieces of several calls may come in any order."""


def _no_index(draw: st.DrawFn, index: int, call: RequestedCall) -> Deltas:
    return [{**item, "index": None} for item in _by_the_book(draw, index, call)]


def _whole(draw: st.DrawFn, index: int, call: RequestedCall) -> Deltas:
    return [_item(id=call.provider_id, name=call.name, arguments=call.arguments)]


def _whole_at_nought(draw: st.DrawFn, index: int, call: RequestedCall) -> Deltas:
    return [_item(index=0, id=call.provider_id, name=call.name, arguments=call.arguments)]


def _said_twice(draw: st.DrawFn, index: int, call: RequestedCall) -> Deltas:
    last = _item(index=index, id=call.provider_id, name=call.name, arguments=call.arguments)
    return [*_by_the_book(draw, index, call), last]


def _as_object(draw: st.DrawFn, index: int, call: RequestedCall) -> Deltas:
    return [_item(index=index, id=call.provider_id, name=call.name, arguments=orjson.loads(call.arguments))]


ONE_BY_ONE: list[Callable[[st.DrawFn, int, RequestedCall], Deltas]] = [
    *INTERLEAVED,
    _no_index,
    _whole,
    _whole_at_nought,
    _said_twice,
    _as_object,
]
"""Ways in which a call may come behind the one before it."""


@st.composite
def asked(draw: st.DrawFn) -> tuple[list[RequestedCall], list[Deltas]]:
    """Calls, and the `tool_calls` of the deltas in which a server sends them."""
    names_and_arguments = draw(st.lists(st.tuples(st.sampled_from(OFFERED), arguments), min_size=1, max_size=4))
    calls = [RequestedCall(f"id-{place}", *call) for place, call in enumerate(names_and_arguments)]
    is_interleaved = draw(st.booleans())
    ways = INTERLEAVED if is_interleaved else ONE_BY_ONE
    way = ways[draw(st.integers(0, len(ways) - 1))]
    waiting = [way(draw, index, call) for index, call in enumerate(calls)]
    events: list[Deltas] = []
    begun = 0
    while any(waiting):
        # Calls begin in their order; those that have begun go on in any.
        able = [place for place, items in enumerate(waiting[: begun + 1]) if items]
        place = able[draw(st.integers(0, len(able) - 1))] if is_interleaved else able[0]
        begun = max(begun, place + 1)
        item = waiting[place].pop(0)
        if not events or draw(st.booleans()):
            events.append([])
        events[-1].append(item)
    return calls, events
