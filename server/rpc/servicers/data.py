"""`parley.v1.DataService`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from parley.v1 import data_pb2 as pb
from parley.v1 import data_pb2_grpc

from server.application.erasures import Erasures
from server.application.exports import Exports
from server.rpc.codecs import data as codec
from server.rpc.interceptors.call import owner, principal


class DataServicer(data_pb2_grpc.DataServiceServicer):
    """Serves `DataService`; what each method promises stands in its proto."""

    def __init__(self, exports: Exports, erasures: Erasures) -> None:
        self._exports = exports
        self._erasures = erasures

    async def ExportData(
        self, request: pb.ExportDataRequest, _context: Any
    ) -> AsyncGenerator[pb.ExportDataResponse, None]:
        """Records behind a cursor, and the end."""
        exported = self._exports.of(principal(), request.user, cursor=request.cursor)
        async with aclosing(exported) as records:
            async for shown in records:
                yield codec.encode_exported(shown)

    async def EraseUser(self, request: pb.EraseUserRequest, _context: Any) -> pb.EraseUserResponse:
        """The erasure that goes on from here."""
        begun = await self._erasures.erase(principal(), request.user, confirmation=request.confirm_user)
        return codec.encode_begun(begun)

    async def GetErasure(self, request: pb.GetErasureRequest, _context: Any) -> pb.Erasure:
        """How far it has come."""
        return codec.encode_erasure(await self._erasures.get(owner(), request.id))

    async def GetRetention(self, _request: pb.GetRetentionRequest, _context: Any) -> pb.Retention:
        """How long the tenant keeps what."""
        return codec.encode_retention(await self._erasures.retention(owner()))

    async def SetRetention(self, request: pb.SetRetentionRequest, _context: Any) -> pb.Retention:
        """How long it does from now on."""
        said = await self._erasures.set_retention(principal(), codec.decode_retention(request))
        return codec.encode_retention(said)
