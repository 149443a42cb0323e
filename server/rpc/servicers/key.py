"""`parley.v1.KeyService`."""

from datetime import timedelta
from typing import Any, Final

from parley.v1 import key_pb2 as pb
from parley.v1 import key_pb2_grpc

from server.application.own_keys import OwnKeys
from server.domain.ids import KeyId
from server.ports.system import Clock
from server.rpc.codecs import key as codec
from server.rpc.interceptors.call import owner, principal

_USUAL_DAYS: Final = 30


class KeyServicer(key_pb2_grpc.KeyServiceServicer):
    """Serves `KeyService`; what each method promises stands in its proto. `clock` tells which keys are over."""

    def __init__(self, keys: OwnKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    async def CreateKey(self, request: pb.CreateKeyRequest, _context: Any) -> pb.CreateKeyResponse:
        """A new key with its text."""
        issued = await self._keys.create(principal(), codec.decode_new_key(request))
        return pb.CreateKeyResponse(result=codec.encode_issued(issued, self._clock.now()))

    async def ListKeys(self, request: pb.ListKeysRequest, _context: Any) -> pb.ListKeysResponse:
        """A page of keys."""
        page = await self._keys.page(owner(), page_size=request.page_size, page_token=request.page_token)
        return pb.ListKeysResponse(result=codec.encode_page(page, self._clock.now()))

    async def GetKey(self, request: pb.GetKeyRequest, _context: Any) -> pb.GetKeyResponse:
        """A key."""
        key = await self._keys.get(owner(), KeyId(request.key_id))
        return pb.GetKeyResponse(result=codec.encode_key(key, self._clock.now()))

    async def UpdateKey(self, request: pb.UpdateKeyRequest, _context: Any) -> pb.UpdateKeyResponse:
        """The key as it is then."""
        key = await self._keys.update(principal(), KeyId(request.key_id), codec.decode_changes(request))
        return pb.UpdateKeyResponse(result=codec.encode_key(key, self._clock.now()))

    async def RotateKey(self, request: pb.RotateKeyRequest, _context: Any) -> pb.RotateKeyResponse:
        """The new key with its text."""
        overlap = timedelta(seconds=request.overlap_seconds)
        issued = await self._keys.rotate(principal(), KeyId(request.key_id), overlap)
        return pb.RotateKeyResponse(result=codec.encode_issued(issued, self._clock.now()))

    async def RevokeKey(self, request: pb.RevokeKeyRequest, _context: Any) -> pb.RevokeKeyResponse:
        """The key, which is over."""
        key = await self._keys.revoke(principal(), KeyId(request.key_id))
        return pb.RevokeKeyResponse(result=codec.encode_key(key, self._clock.now()))

    async def GetKeyUsage(self, request: pb.GetKeyUsageRequest, _context: Any) -> pb.GetKeyUsageResponse:
        """Uses by day."""
        usage = await self._keys.usage(owner(), KeyId(request.key_id), days=request.days or _USUAL_DAYS)
        return pb.GetKeyUsageResponse(result=codec.encode_usage(usage))
