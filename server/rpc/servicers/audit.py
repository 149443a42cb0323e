"""`parley.v1.AuditService`."""

from typing import Any

from parley.v1 import audit_pb2 as pb
from parley.v1 import audit_pb2_grpc

from server.application.audit import AuditRecords
from server.domain.audit import AuditFilter
from server.rpc.codecs import audit as codec
from server.rpc.interceptors.call import owner


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Serves `AuditService`; what each method promises stands in its proto."""

    def __init__(self, records: AuditRecords) -> None:
        self._records = records

    async def ListAuditRecords(self, request: pb.ListAuditRecordsRequest, _context: Any) -> pb.ListAuditRecordsResponse:
        """Records of the tenant."""
        page = await self._records.of_tenant(
            owner(), codec.decode_filter(request), page_size=request.page_size, page_token=request.page_token
        )
        shown = [codec.encode_record(record) for record in page.items]
        return pb.ListAuditRecordsResponse(records=shown, next_page_token=page.next_token)

    async def ListActsOnMyBehalf(
        self, request: pb.ListActsOnMyBehalfRequest, _context: Any
    ) -> pb.ListActsOnMyBehalfResponse:
        """What others did in the caller's name."""
        wanted = AuditFilter(actor=request.actor)
        page = await self._records.on_behalf_of(
            owner(), wanted, page_size=request.page_size, page_token=request.page_token
        )
        shown = [codec.encode_record(record) for record in page.items]
        return pb.ListActsOnMyBehalfResponse(records=shown, next_page_token=page.next_token)
