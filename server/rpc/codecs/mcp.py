"""Tool servers and their tools in `parley.v1`."""

from collections.abc import Mapping
from typing import Final

import orjson
from google.protobuf.duration_pb2 import Duration
from parley.v1 import mcp_pb2 as pb

from server.application.direct_calls import CallTool, DirectCall
from server.application.paging import Page
from server.domain.errors import FieldViolation, InvalidField
from server.domain.tool import ServerTool, ToolPolicy
from server.ports.tools import ToolServer, ToolServerInfo
from server.rpc.codecs.struct import decode_struct, encode_struct
from server.rpc.codecs.timestamp import timestamp
from server.rpc.codecs.tool_call import CALL_STATES

POLICIES: Final[Mapping[ToolPolicy, pb.ToolPolicy.ValueType]] = {
    ToolPolicy.AUTO: pb.TOOL_POLICY_AUTO,
    ToolPolicy.APPROVAL: pb.TOOL_POLICY_APPROVAL,
    ToolPolicy.DENY: pb.TOOL_POLICY_DENY,
}
TRANSPORTS: Final[Mapping[str, pb.McpTransport.ValueType]] = {
    "stdio": pb.MCP_TRANSPORT_STDIO,
    "http": pb.MCP_TRANSPORT_HTTP,
}


def encode_servers(page: Page[ToolServer]) -> pb.ListAvailableServersResponse:
    """A page of servers."""
    servers = [
        pb.McpServer(
            name=server.name,
            description=server.description,
            transport=TRANSPORTS[server.transport],
            policy=POLICIES[server.policy],
        )
        for server in page.items
    ]
    return pb.ListAvailableServersResponse(servers=servers, next_page_token=page.next_token)


def encode_info(info: ToolServerInfo) -> pb.GetServerInfoResponse:
    """What a server says of itself."""
    return pb.GetServerInfoResponse(
        name=info.name,
        title=info.title,
        version=info.version,
        protocol_version=info.protocol_version,
        instructions=info.instructions,
        capabilities=encode_struct(info.capabilities),
    )


def encode_tools(page: Page[ServerTool]) -> pb.ListToolsResponse:
    """A page of tools."""
    return pb.ListToolsResponse(tools=[_tool(tool) for tool in page.items], next_page_token=page.next_token)


def decode_call(request: pb.CallToolRequest) -> CallTool:
    """What is to be called. Raises `InvalidField`."""
    try:
        return CallTool(request.server_name, request.tool_name, decode_struct(request.arguments))
    except ValueError as error:
        raise InvalidField([FieldViolation("arguments", str(error))]) from None


def encode_call(call: DirectCall) -> pb.CallToolResponse:
    """What became of a call."""
    duration = Duration()
    duration.FromTimedelta(call.duration)
    return pb.CallToolResponse(
        result=call.result,
        status=CALL_STATES[call.state],
        truncated=call.is_cut,
        started_at=timestamp(call.started_at),
        duration=duration,
    )


def _tool(tool: ServerTool) -> pb.McpTool:
    return pb.McpTool(
        name=tool.tool,
        description=tool.spec.description,
        input_schema=encode_struct(orjson.loads(tool.spec.input_schema)),
        policy=POLICIES[tool.policy],
        repeatable=tool.is_repeatable,
        model_tool_name=tool.spec.name,
    )
