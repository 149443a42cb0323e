"""JSON Schema over the `jsonschema` library, made safe for schemas and arguments that strangers wrote.

`pattern` is matched by RE2; one that RE2 does not take is not checked, and neither are the `unevaluated…` keywords,
whose implementation matches patterns with backtracking. References are resolved within the schema only.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import orjson
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from server.adapters.tools.safe_keywords import TooInvolved, budget, made_safe
from server.ports.tools import InvalidArguments, InvalidSchema

_MOST_TOLD: Final = 3
_MOST_CHARACTERS: Final = 300
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_TOO_INVOLVED: Final = "the arguments cannot be checked: they are too large, or the tool's schema is too involved"


def checked(schema: dict[str, Any]) -> None:
    """Raises `InvalidSchema` for what is no JSON Schema, or refers to something outside itself."""
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        # The metaschemas' own patterns are harmless; formats are left out, for one of them compiles patterns.
        kind.check_schema(schema, format_checker=None)  # type: ignore[call-arg]  # the protocol leaves it out
        _check_references(schema)
    except SchemaError as error:
        raise InvalidSchema(f"it is no valid JSON Schema, {_sentence(error)}") from None
    except Unresolvable:
        raise InvalidSchema("it refers to something that is not in it") from None
    except (RecursionError, ValueError, TypeError):
        raise InvalidSchema("it is no valid JSON Schema") from None


def check_arguments(schema: str, arguments: Mapping[str, Any]) -> None:
    """Raises `InvalidArguments`, naming the first places where the arguments miss the schema, which was checked."""
    try:
        with budget():
            errors = list(islice(_validator(schema).iter_errors(arguments), _MOST_TOLD))
    except (TooInvolved, RecursionError, Unresolvable):
        raise InvalidArguments(_TOO_INVOLVED) from None
    if errors:
        raise InvalidArguments("; ".join(map(_sentence, errors)))


def _check_references(schema: dict[str, Any]) -> None:
    """Raises `Unresolvable` for a reference that leads nowhere, or elsewhere."""
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    todo: list[Any] = [schema]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            for keyword in _REFERENCES:
                if isinstance(reference := value.get(keyword), str):
                    if not reference.startswith("#"):
                        raise Unresolvable(ref=reference)
                    resolver.lookup(reference)
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)


@lru_cache(maxsize=512)
def _validator(schema: str) -> Validator:
    """The validator of a canonical schema."""
    parsed = orjson.loads(schema)
    kind = made_safe(validator_for(parsed, default=Draft202012Validator))
    return kind(parsed, registry=Registry())


def _sentence(error: ValidationError | SchemaError) -> str:
    message = error.message
    if len(message) > _MOST_CHARACTERS:
        # It begins with the value that is wrong and ends with what is wrong with it.
        message = f"{message[:100]} … {message[100 - _MOST_CHARACTERS :]}"
    return f"at {_pointer(error)}: {message}"


def _pointer(error: ValidationError | SchemaError) -> str:
    path = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.absolute_path)
    return path[:_MOST_CHARACTERS] or "the top"
