"""`parley.v1.ToolService`."""

from typing import Any

from parley.v1 import tool_pb2 as pb
from parley.v1 import tool_pb2_grpc

from server.application.approvals import Approvals
from server.rpc.codecs import tool as codec
from server.rpc.interceptors.call import owner, principal


class ToolServicer(tool_pb2_grpc.ToolServiceServicer):
    """Serves `ToolService` with the use cases of approvals; what each method promises stands in its proto."""

    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals

    async def ListPendingApprovals(
        self, request: pb.ListPendingApprovalsRequest, _context: Any
    ) -> pb.ListPendingApprovalsResponse:
        """The calls that wait for a person."""
        pending = await self._approvals.pending(owner(), request.conversation_key)
        return pb.ListPendingApprovalsResponse(approvals=map(codec.encode_pending, pending))

    async def SubmitToolApprovals(
        self, request: pb.SubmitToolApprovalsRequest, _context: Any
    ) -> pb.SubmitToolApprovalsResponse:
        """What became of the calls and of their run."""
        decisions = codec.decode_decisions(request)
        return codec.encode_decided(await self._approvals.decide(principal(), request.conversation_key, decisions))

    async def SubmitClientToolResults(
        self, request: pb.SubmitClientToolResultsRequest, _context: Any
    ) -> pb.SubmitClientToolResultsResponse:
        """What became of the calls and of their run."""
        results = codec.decode_results(request)
        return codec.encode_submitted(await self._approvals.submit(principal(), request.conversation_key, results))
