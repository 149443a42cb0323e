"""Whether a reply is what a document's sample promises."""

from datetime import datetime
from typing import Any
from uuid import UUID

# What a sample can only give an example of: ids, moments, and what a model says.
_EXAMPLES = frozenset({"runId", "createdAt", "id", "conversation_id", "model_id", "created_at", "updated_at"})


def differences(sample: Any, reply: Any, *, path: str = "reply") -> list[str]:
    """Where a reply falls short of a sample. More fields than the sample's are fine, other values are not, except where
    a value is an example by nature: then its form must be the sample's."""
    if isinstance(sample, dict) and isinstance(reply, dict):
        if sample.get("role") == "assistant":
            sample = {**sample, "content": None}
        return [
            difference
            for name, value in sample.items()
            for difference in _field(name, value, reply, path=f"{path}.{name}")
        ]
    if isinstance(sample, list) and isinstance(reply, list):
        if len(sample) != len(reply):
            return [f"{path} has {len(reply)} entries, not {len(sample)}"]
        return [
            difference
            for number, (one, other) in enumerate(zip(sample, reply, strict=True))
            for difference in differences(one, other, path=f"{path}[{number}]")
        ]
    return [] if sample == reply and type(sample) is type(reply) else [f"{path} is {reply!r}, not {sample!r}"]


def shape(value: Any) -> Any:
    """What of a value a typed client relies on: which members there are, of which types, and which are null."""
    match value:
        case dict():
            return {name: shape(member) for name, member in value.items()}
        case list():
            return [shape(item) for item in value]
    return type(value).__name__


def missing_fields(table: dict[str, Any], reply: dict[str, Any]) -> list[str]:
    """Which fields of a table of fields a reply lacks or has with another type."""
    return [
        f"{name} is {reply.get(name)!r}"
        for name, example in table.items()
        if type(reply.get(name)) is not type(example)
    ]


def _field(name: str, value: Any, reply: dict[str, Any], *, path: str) -> list[str]:
    if name not in reply:
        return [f"{path} is missing"]
    if value is None:
        return [] if reply[name] else [f"{path} is empty"]
    if name in _EXAMPLES:
        return [] if _form(value) == _form(reply[name]) else [f"{path} is {reply[name]!r}, no such thing as {value!r}"]
    return differences(value, reply[name], path=path)


def _form(value: Any) -> str:
    """What kind of id or moment a text is."""
    if not isinstance(value, str):
        return type(value).__name__
    for form, parse in (("uuid", UUID), ("moment", datetime.fromisoformat)):
        try:
            parse(value)
        except ValueError:
            continue
        return form
    return value.partition("_")[0] if "_" in value else "text"
