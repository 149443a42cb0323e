"""`parley.archive.v3.ArchiveService`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from parley.archive.v3 import archive_pb2 as pb
from parley.archive.v3 import archive_pb2_grpc

from server.application.archive import Archive
from server.application.archive_chat import ArchiveChat
from server.domain.ids import ConversationId
from server.domain.principal import Principal
from server.domain.run import Run
from server.rpc.codecs import archive as codec
from server.rpc.codecs.archive_stream import ArchiveStream
from server.rpc.codecs.event_id import decode_event_id
from server.rpc.interceptors.call import owner, principal


class ArchiveServicer(archive_pb2_grpc.ArchiveServiceServicer):
    """Serves `ArchiveService`; what each method promises stands in its proto."""

    def __init__(self, archive: Archive, chat: ArchiveChat) -> None:
        self._archive = archive
        self._chat = chat

    async def FindConversations(
        self, request: pb.FindConversationsRequest, _context: Any
    ) -> pb.FindConversationsResponse:
        """The conversations of a search."""
        return codec.encode_found(await self._archive.find(owner(), codec.decode_search(request)))

    async def GetConversation(self, request: pb.GetConversationRequest, _context: Any) -> pb.GetConversationResponse:
        """One conversation."""
        found = await self._archive.get(principal(), _conversation(request.entity_id))
        return pb.GetConversationResponse(conversation=codec.encode_conversation(found))

    async def DeleteConversation(
        self, request: pb.DeleteConversationRequest, _context: Any
    ) -> pb.DeleteConversationResponse:
        """The id of what is gone."""
        gone = await self._archive.delete(principal(), _conversation(request.entity_id))
        return pb.DeleteConversationResponse(entity_id=gone)

    async def Chat(self, request: pb.ChatRequest, _context: Any) -> pb.ChatResponse:
        """The whole answer."""
        run, _ = await self._sent(principal(), request)
        return codec.encode_answer(await self._chat.answer(owner(), run))

    async def StreamChat(self, request: pb.ChatRequest, _context: Any) -> AsyncGenerator[pb.StreamChatResponse, None]:
        """The answer as it comes."""
        caller = principal()
        run, seen = await self._sent(caller, request)
        stream = ArchiveStream(run, after=seen)
        # From the first event on: an answer that is begun again is told again as far as it counts.
        async with aclosing(self._chat.follow(caller.owner, run)) as events:
            async for event in events:
                for shown in stream.encode(event):
                    yield shown

    async def _sent(self, caller: Principal, request: pb.ChatRequest) -> tuple[Run, int]:
        """The run of an answer, and up to which place it was seen: of a new message, or one whose stream was cut."""
        if request.last_event_id:
            seen = decode_event_id(request.last_event_id)
            return await self._chat.resume(caller.owner, seen), seen.sequence
        return await self._chat.send(caller, codec.decode_chat(request)), 0


# UUIDs are accepted in either case and stored in lower case.
def _conversation(entity_id: str) -> ConversationId:
    return ConversationId(entity_id.lower())
