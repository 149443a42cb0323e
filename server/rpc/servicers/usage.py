"""`parley.v1.UsageService`."""

from typing import Any

from parley.v1 import usage_pb2 as pb
from parley.v1 import usage_pb2_grpc

from server.application.usage import UsageRecords
from server.domain.ids import RunId
from server.rpc.codecs import usage as codec
from server.rpc.interceptors.call import owner, principal


class UsageServicer(usage_pb2_grpc.UsageServiceServicer):
    """Serves `UsageService`; what each method promises stands in its proto."""

    def __init__(self, usage: UsageRecords) -> None:
        self._usage = usage

    async def ListUsage(self, request: pb.ListUsageRequest, _context: Any) -> pb.ListUsageResponse:
        """What the caller used."""
        wanted = codec.decode_filter(request)
        page = await self._usage.page(
            owner(), wanted, whole_tenant=False, page_size=request.page_size, page_token=request.page_token
        )
        return pb.ListUsageResponse(rows=map(codec.encode_row, page.items), next_page_token=page.next_token)

    async def ListTenantUsage(self, request: pb.ListTenantUsageRequest, _context: Any) -> pb.ListTenantUsageResponse:
        """What the tenant used."""
        wanted = codec.decode_filter(request)
        page = await self._usage.page(
            owner(), wanted, whole_tenant=True, page_size=request.page_size, page_token=request.page_token
        )
        return pb.ListTenantUsageResponse(rows=map(codec.encode_row, page.items), next_page_token=page.next_token)

    async def GetRunUsage(self, request: pb.GetRunUsageRequest, _context: Any) -> pb.GetRunUsageResponse:
        """What a run used."""
        size, token = request.page_size, request.page_token
        return codec.encode_run(
            await self._usage.of_run(owner(), RunId(request.run_id), page_size=size, page_token=token)
        )

    async def GetThreadUsage(self, request: pb.GetThreadUsageRequest, _context: Any) -> pb.GetThreadUsageResponse:
        """What a thread used."""
        return codec.encode_thread(await self._usage.of_thread(owner(), request.conversation_key))

    async def ListBudgets(self, _request: pb.ListBudgetsRequest, _context: Any) -> pb.ListBudgetsResponse:
        """What bounds the caller's calls of models."""
        found = await self._usage.budgets(principal())
        return pb.ListBudgetsResponse(budgets=map(codec.encode_allowance, found))
