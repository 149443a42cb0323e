"""What a provider wants to see again with an answer, in the forms that servers in use give it.

They are kept as one JSON object: `message` holds members of the answer's message, `calls` for each tool call that has
any its `id`, its `place` among how many (`of`), and its `fields`. Nobody but this module reads it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from server.domain.message import ToolCall

MAX_PARTS_BYTES: Final = 64 * 1024
"""How long the JSON of an answer may be; what does not fit is dropped."""

REASONING: Final = "reasoning_content"
"""What DeepSeek and others want back of an answer that was given with tools, and refuse to go on without."""

CALL_FIELDS: Final = ("extra_content", "provider_specific_fields", "thought_signature")
"""Gemini's signature of a call as Google, LiteLLM and others send it."""

_BLOCKS: Final = ("reasoning_details", "thinking_blocks")
"""Lists of blocks: OpenRouter's, and Anthropic's as LiteLLM sends them."""
_SIGNED: Final = "extra_content"
"""Gemini's signature of a text."""
_LEVELS_ABOVE: Final = 16
"""More than a part is ever nested in."""
MESSAGE_FIELDS: Final = frozenset({*_BLOCKS, _SIGNED, REASONING})


def parts_json(fields: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]) -> str | None:
    """The parts of an answer as JSON; `None` when there are none. `calls` are the fields of every call, in order.

    What does not fit is dropped one by one: without the signatures of its calls a model may refuse to go on, so they
    come first, and its reasoning, which only has to be there, is cut.
    """
    kept: dict[str, Any] = {}
    signed = [
        {"id": call["id"], "place": place, "of": len(calls), "fields": call["fields"]}
        for place, call in enumerate(calls)
        if call["fields"]
    ]
    left = MAX_PARTS_BYTES - len(b'{"message":{},"calls":[]}')
    if signed and (size := json_size(signed)) <= left:
        kept["calls"] = signed
        left -= size
    message: dict[str, Any] = {}
    for name in (_SIGNED, *_BLOCKS):
        value = fields.get(name)
        if value and (size := json_size(value) + len(name) + 4) <= left:
            message[name] = value
            left -= size
    reasoning = fields.get(REASONING)
    # Blocks of reasoning are the same reasoning, signed.
    if reasoning and not any(name in message for name in _BLOCKS):
        message[REASONING] = _cut(reasoning, left - len(REASONING) - 4)
    if message:
        kept["message"] = message
    return orjson.dumps(kept).decode() if kept else None


def message_fields(parts: str | None) -> dict[str, Any]:
    """The members that go back with the answer's message."""
    fields = _object(parts).get("message")
    return {name: fields[name] for name in fields if name in MESSAGE_FIELDS} if isinstance(fields, dict) else {}


def call_fields(parts: str | None, calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """The members that go back with each of the answer's calls, which are found by their place; by their id, when some
    of them are gone."""
    found: list[dict[str, Any]] = [{} for _ in calls]
    entries = _object(parts).get("calls")
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("fields"), dict):
            continue
        place = _place(entry, calls)
        if place is not None:
            found[place] = {name: value for name, value in entry["fields"].items() if name in CALL_FIELDS}
    return found


def json_size(value: Any) -> int:
    """Bytes of a value's JSON; more than may be kept for one that is nested too deeply to be written in a request."""
    for _ in range(_LEVELS_ABOVE):
        value = [value]
    try:
        return len(orjson.dumps(value)) - 2 * _LEVELS_ABOVE
    except TypeError:
        return MAX_PARTS_BYTES + 1


def _place(entry: Mapping[str, Any], calls: Sequence[ToolCall]) -> int | None:
    place = entry.get("place")
    if entry.get("of") == len(calls) and type(place) is int and 0 <= place < len(calls):
        return place
    return next((at for at, call in enumerate(calls) if call.id == entry.get("id")), None)


def _object(parts: str | None) -> dict[str, Any]:
    try:
        value = orjson.loads(parts or "")
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _cut(text: str, size: int) -> str:
    """The beginning of a text whose JSON is at most so many bytes."""
    while len(orjson.dumps(text)) > max(size, 2):
        text = text[: len(text) * 3 // 4]
    return text
