"""Tool calls and clients' tools of `parley.v1`, wherever they turn up."""

from collections.abc import Iterable, Mapping
from typing import Final

import orjson
from parley.v1 import tool_call_pb2 as pb

from server.domain.errors import FieldViolation, InvalidField
from server.domain.tool import Decision, ToolCallState, ToolSpec
from server.rpc.codecs.struct import decode_struct, encode_struct

CALL_STATES: Final[Mapping[ToolCallState, pb.ToolCallState.ValueType]] = {
    state: pb.ToolCallState.Value(f"TOOL_CALL_STATE_{state.name}") for state in ToolCallState
}
DECISIONS: Final[Mapping[Decision, pb.ToolCallDecision.ValueType]] = {
    decision: pb.ToolCallDecision.Value(f"TOOL_CALL_DECISION_{decision.name}") for decision in Decision
}
_ANY_OBJECT: Final = '{"type":"object"}'


def decode_client_tools(tools: Iterable[pb.ClientTool], *, field: str) -> tuple[ToolSpec, ...]:
    """What a client declares; without a schema a tool takes any object. `field` is their path in the request. Raises
    `InvalidField`."""
    return tuple(
        ToolSpec(tool.name, tool.description, _schema(tool, field=f"{field}[{place}].input_schema"))
        for place, tool in enumerate(tools)
    )


def encode_client_tool(tool: ToolSpec) -> pb.ClientTool:
    """The same the other way round."""
    schema = encode_struct(orjson.loads(tool.input_schema))
    return pb.ClientTool(name=tool.name, description=tool.description, input_schema=schema)


def _schema(tool: pb.ClientTool, *, field: str) -> str:
    if not tool.HasField("input_schema"):
        return _ANY_OBJECT
    try:
        # In one order: a `Struct` has none, and what is sent to a model again should be the same text.
        return orjson.dumps(decode_struct(tool.input_schema), option=orjson.OPT_SORT_KEYS).decode()
    except ValueError as error:
        raise InvalidField([FieldViolation(field, str(error))]) from None
