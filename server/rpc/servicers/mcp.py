"""`parley.v1.McpService`."""

from typing import Any

from parley.v1 import mcp_pb2 as pb
from parley.v1 import mcp_pb2_grpc

from server.application.direct_calls import DirectCalls
from server.application.tools import Tools
from server.rpc.codecs import mcp as codec
from server.rpc.interceptors.call import owner, principal


class McpServicer(mcp_pb2_grpc.McpServiceServicer):
    """Serves `McpService` with the use cases of tools; what each method promises stands in its proto."""

    def __init__(self, tools: Tools, calls: DirectCalls) -> None:
        self._tools = tools
        self._calls = calls

    async def ListAvailableServers(
        self, request: pb.ListAvailableServersRequest, _context: Any
    ) -> pb.ListAvailableServersResponse:
        """A page of the servers."""
        page = self._tools.servers(owner(), page_size=request.page_size, page_token=request.page_token)
        return codec.encode_servers(page)

    async def GetServerInfo(self, request: pb.GetServerInfoRequest, _context: Any) -> pb.GetServerInfoResponse:
        """What a server says of itself."""
        return codec.encode_info(await self._tools.info(owner(), request.server_name))

    async def ListTools(self, request: pb.ListToolsRequest, _context: Any) -> pb.ListToolsResponse:
        """A page of a server's tools."""
        page = await self._tools.tools(
            owner(), request.server_name, page_size=request.page_size, page_token=request.page_token
        )
        return codec.encode_tools(page)

    async def CallTool(self, request: pb.CallToolRequest, _context: Any) -> pb.CallToolResponse:
        """What became of the call."""
        return codec.encode_call(await self._calls.call(principal(), codec.decode_call(request)))
