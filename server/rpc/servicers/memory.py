"""`parley.v1.MemoryService`."""

from typing import Any

from parley.v1 import memory_pb2 as pb
from parley.v1 import memory_pb2_grpc

from server.application.memories import Memories
from server.domain.ids import MemoryId
from server.rpc.codecs.memory import encode_memory
from server.rpc.interceptors.call import owner, principal


class MemoryServicer(memory_pb2_grpc.MemoryServiceServicer):
    """Serves `MemoryService`; what each method promises stands in its proto."""

    def __init__(self, memories: Memories) -> None:
        self._memories = memories

    async def AddMemory(self, request: pb.AddMemoryRequest, _context: Any) -> pb.Memory:
        """The new memory."""
        return encode_memory(await self._memories.add(principal(), request.memory))

    async def SearchMemories(self, request: pb.SearchMemoriesRequest, _context: Any) -> pb.SearchMemoriesResponse:
        """What fits best."""
        found = await self._memories.search(principal(), request.query, limit=request.limit, least=request.min_score)
        return pb.SearchMemoriesResponse(memories=[encode_memory(each.memory, each.score) for each in found])

    async def ListMemories(self, request: pb.ListMemoriesRequest, _context: Any) -> pb.ListMemoriesResponse:
        """A page of memories."""
        page = await self._memories.page(owner(), page_size=request.page_size, page_token=request.page_token)
        return pb.ListMemoriesResponse(
            memories=[encode_memory(memory) for memory in page.items], next_page_token=page.next_token
        )

    async def GetMemory(self, request: pb.GetMemoryRequest, _context: Any) -> pb.Memory:
        """A memory."""
        return encode_memory(await self._memories.get(owner(), MemoryId(request.memory_id)))

    async def UpdateMemory(self, request: pb.UpdateMemoryRequest, _context: Any) -> pb.Memory:
        """The memory as it is then."""
        return encode_memory(await self._memories.update(principal(), MemoryId(request.memory_id), request.memory))

    async def DeleteMemory(self, request: pb.DeleteMemoryRequest, _context: Any) -> pb.DeleteMemoryResponse:
        """Nothing."""
        await self._memories.delete(principal(), MemoryId(request.memory_id))
        return pb.DeleteMemoryResponse()
