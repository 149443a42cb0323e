"""Tools that a client declares: what they must be to be offered to a model."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from server.domain.errors import FieldViolation, InvalidField
from server.domain.tool import ToolSpec
from server.ports.tools import InvalidSchema, ToolSchemas

# Beyond this schemas are checked on another thread: it takes longer than other calls should wait.
_QUICK_CHARACTERS: Final = 8 * 1024


async def checked(schemas: ToolSchemas, tools: Sequence[ToolSpec], *, field: str) -> tuple[ToolSpec, ...]:
    """The tools with their schemas in canonical form. `field` is their path in the request. Raises `InvalidField`,
    which names every schema that is none."""
    if sum(len(tool.input_schema) for tool in tools) > _QUICK_CHARACTERS:
        return await asyncio.to_thread(_checked, schemas, tools, field)
    return _checked(schemas, tools, field)


def _checked(schemas: ToolSchemas, tools: Sequence[ToolSpec], field: str) -> tuple[ToolSpec, ...]:
    passed, violations = [], []
    for place, tool in enumerate(tools):
        try:
            passed.append(replace(tool, input_schema=schemas.canonical(json.loads(tool.input_schema))))
        except InvalidSchema as invalid:
            violations.append(FieldViolation(f"{field}[{place}].input_schema", invalid.message))
    if violations:
        raise InvalidField(violations)
    return tuple(passed)
