"""Schemas of the messages of `google.protobuf` whose JSON has a form of its own."""

from google.protobuf.descriptor import Descriptor

from gateway.core.openapi.wire import Schema

_PACKAGE = "google.protobuf."

_FORMS: dict[str, Schema] = {
    "Timestamp": {"type": "string", "format": "date-time"},
    "Duration": {
        "type": "string",
        "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$",
        "description": "Seconds with up to nine decimals and the suffix `s`.",
    },
    "FieldMask": {"type": "string", "description": "Field paths, separated by commas."},
    "Struct": {"type": "object", "additionalProperties": True, "description": "Any JSON object."},
    "Value": {"description": "Any JSON value."},
    "ListValue": {"type": "array", "items": {}, "description": "Any JSON array."},
    "Empty": {"type": "object", "additionalProperties": False},
    "Any": {
        "type": "object",
        "properties": {
            "@type": {"type": "string", "description": "Type of the message, as a URL that ends in its name."}
        },
        "additionalProperties": True,
        "description": "A message of any type, with its type beside its members.",
    },
}

_WRAPPERS = frozenset(
    _PACKAGE + name + "Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
_QUERY_TEXTS = frozenset(_PACKAGE + name for name in ("Timestamp", "Duration", "FieldMask")) | _WRAPPERS


def well_known_form(message: Descriptor) -> Schema | None:
    """Give the schema of a message with a JSON form of its own; None for an ordinary message (wrappers included)."""
    if not message.full_name.startswith(_PACKAGE):
        return None
    form = _FORMS.get(message.full_name.removeprefix(_PACKAGE))
    return None if form is None else dict(form)


def is_wrapper(message: Descriptor) -> bool:
    """Say whether the message is one of the wrappers, whose JSON is that of their single field."""
    return message.full_name in _WRAPPERS


def has_query_text(message: Descriptor) -> bool:
    """Say whether the message can stand in a query parameter as one text."""
    return message.full_name in _QUERY_TEXTS
