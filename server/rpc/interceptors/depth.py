"""How deep free-form values of requests may be: as deep as over HTTP, where the gateway counts."""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.message import Message

DEEPEST: Final = 24
_FREE_FORM: Final = frozenset({"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"})


def has_free_form(kind: type[Message]) -> bool:
    """Whether a message of this type can hold a free-form value, at any depth."""
    seen: set[str] = set()
    waiting: list[Any] = [kind.DESCRIPTOR]
    while waiting:
        each = waiting.pop()
        if each.full_name in _FREE_FORM:
            return True
        if each.full_name not in seen:
            seen.add(each.full_name)
            waiting += [field.message_type for field in each.fields if field.message_type is not None]
    return False


def too_deep(request: Message) -> str | None:
    """The path of a field whose free-form value has more than `DEEPEST` levels of objects and arrays, or `None`."""
    for path, value in _free_form(request, ""):
        if _is_deeper(value, DEEPEST):
            return path
    return None


def _free_form(message: Message, path: str) -> Iterator[tuple[str, Any]]:
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        name = f"{path}.{field.name}" if path else field.name
        for item in _items(field, value):
            if item.DESCRIPTOR.full_name in _FREE_FORM:
                yield name, item
            else:
                yield from _free_form(item, name)


def _items(field: Any, value: Any) -> list[Any]:
    if not field.is_repeated:
        return [value]
    if field.message_type.GetOptions().map_entry:
        return [item for item in value.values() if isinstance(item, Message)]
    return list(value)


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether a Struct, a ListValue or what a Value holds has more than so many levels; a scalar has none."""
    kind = value.DESCRIPTOR.name
    if kind == "Value":
        held = value.WhichOneof("kind")
        return held in ("struct_value", "list_value") and _is_deeper(getattr(value, held), levels)
    if levels < 1:
        return True
    members = value.fields.values() if kind == "Struct" else value.values
    return any(_is_deeper(member, levels - 1) for member in members)
