"""The schema of a dialect's error body, derived from its template."""

import json
from typing import Any

from gateway.core.dialect import ErrorFormat
from gateway.core.openapi.wire import Schema

_VIOLATION: Schema = {
    "type": "object",
    "properties": {"field": {"type": "string"}, "description": {"type": "string"}},
    "required": ["field", "description"],
}
_PLACEHOLDERS: dict[str, Schema] = {
    "$http": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status."},
    "$code": {"type": "string", "description": "Name of the gRPC code, such as `NOT_FOUND`."},
    "$message": {"type": "string", "description": "What is wrong, for people."},
    "$reason": {"type": "string", "description": "What is wrong, for programs; new reasons may come to be."},
    "$details": {
        "type": "array",
        "description": "The details of the status; each names its type, such as `google.rpc.ErrorInfo`.",
        "items": {"type": "object", "properties": {"@type": {"type": "string"}}, "required": ["@type"]},
    },
    "$metadata": {
        "type": "object",
        "description": "What the reason is about; `fields` lists the fields that break their rules.",
        "properties": {"fields": {"type": "array", "items": _VIOLATION}},
        "additionalProperties": True,
    },
}


def error_schema(errors: ErrorFormat) -> Schema:
    """Give the schema of every error body of a dialect; ValueError when its template is no JSON text."""
    try:
        template = json.loads(errors.body)
    except json.JSONDecodeError as error:
        raise ValueError(f"the template of an error body is no JSON: {error}") from None
    return {**_schema(template), "description": "What every refused or failed call is answered with."}


def _schema(template: Any) -> Schema:
    match template:
        case str() if template in _PLACEHOLDERS:
            return _PLACEHOLDERS[template]
        case dict():
            properties = {name: _schema(member) for name, member in template.items()}
            return {"type": "object", "properties": properties, "required": list(template)}
        case list():
            return {"type": "array", "prefixItems": [_schema(item) for item in template], "minItems": len(template)}
        case _:
            return {"const": template}
