"""JSON Schema for tools. The library is imported when the first schema comes: a service without tools is spared it."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from server.adapters.tools.arguments import parsed_arguments
from server.adapters.tools.json_depth import MOST_DEPTH, is_deeper
from server.ports.tools import InvalidSchema

_MOST_SCHEMA_BYTES: Final = 64 << 10


class JsonSchemas:
    """Implements `ports.tools.ToolSchemas`."""

    def canonical(self, schema: Mapping[str, Any]) -> str:
        """See the port. Takes some milliseconds, for the largest schemas two tenths of a second."""
        from server.adapters.tools.schema_check import checked

        if is_deeper(schema, MOST_DEPTH):
            raise InvalidSchema(f"it is nested deeper than {MOST_DEPTH}")
        try:
            text = orjson.dumps(dict(schema), option=orjson.OPT_SORT_KEYS)
        except TypeError:
            raise InvalidSchema("it is no JSON") from None
        if len(text) > _MOST_SCHEMA_BYTES:
            raise InvalidSchema(f"it is longer than {_MOST_SCHEMA_BYTES} bytes")
        if schema.get("type") != "object":
            raise InvalidSchema('its type is not "object"')
        checked(dict(schema))
        return text.decode()

    def arguments(self, schema: str, text: str) -> Mapping[str, Any]:
        """See the port."""
        from server.adapters.tools.schema_check import check_arguments

        arguments = parsed_arguments(text)
        check_arguments(schema, arguments)
        return arguments
