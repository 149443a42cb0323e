"""`parley.chat.v1.ChatService`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from parley.chat.v1 import chat_pb2 as pb
from parley.chat.v1 import chat_pb2_grpc

from server.application.chats import Chats
from server.application.prompts import Prompts, Sent
from server.domain.principal import Principal
from server.rpc.codecs import chat as codec
from server.rpc.codecs.event_id import decode_event_id
from server.rpc.interceptors.call import owner, principal

_DEFAULT_MESSAGES: Final = 50
_DEFAULT_CHATS: Final = 20


class ChatServicer(chat_pb2_grpc.ChatServiceServicer):
    """Serves `ChatService` with the use cases of chats and prompts; what each method promises stands in its proto."""

    def __init__(self, chats: Chats, prompts: Prompts) -> None:
        self._chats = chats
        self._prompts = prompts

    async def Prompt(self, request: pb.PromptRequest, _context: Any) -> pb.PromptResponse:
        """The whole answer."""
        sent = await self._prompts.send(principal(), codec.decode_prompt(request))
        answer = await self._prompts.answer(owner(), sent)
        return pb.PromptResponse(answer=answer, chat_id=sent.run.conversation_id)

    async def StreamPrompt(
        self, request: pb.StreamPromptRequest, _context: Any
    ) -> AsyncGenerator[pb.StreamPromptResponse, None]:
        """The answer as it comes."""
        caller = principal()
        sent = await self._sent(caller, request)
        async with aclosing(self._prompts.follow(caller.owner, sent)) as events:
            async for event in events:
                yield codec.encode_shown(event, sent)

    async def ListMessages(self, request: pb.ListMessagesRequest, _context: Any) -> pb.ListMessagesResponse:
        """A window of a chat's history."""
        limit = request.limit if request.HasField("limit") else _DEFAULT_MESSAGES
        found = await self._chats.messages(
            owner(), codec.decode_chat_id(request.chat_id), offset=request.offset, limit=limit
        )
        return codec.encode_messages(found, limit=limit, offset=request.offset)

    async def ListChats(self, request: pb.ListChatsRequest, _context: Any) -> pb.ListChatsResponse:
        """A window of the caller's chats."""
        limit = request.limit if request.HasField("limit") else _DEFAULT_CHATS
        found = await self._chats.slice(owner(), offset=request.offset, limit=limit)
        return codec.encode_chats(found, limit=limit, offset=request.offset)

    async def RenameChat(self, request: pb.RenameChatRequest, _context: Any) -> pb.RenameChatResponse:
        """The title it has now."""
        chat = await self._chats.rename(principal(), codec.decode_chat_id(request.chat_id), request.title)
        return pb.RenameChatResponse(detail="The chat was renamed.", new_title=chat.name)

    async def ArchiveChat(self, request: pb.ArchiveChatRequest, _context: Any) -> pb.ArchiveChatResponse:
        """That it was archived."""
        await self._chats.archive(principal(), codec.decode_chat_id(request.chat_id))
        return pb.ArchiveChatResponse(message="The chat was archived.")

    async def _sent(self, caller: Principal, request: pb.StreamPromptRequest) -> Sent:
        """The prompt of a stream: a new one, or the one whose stream is to be continued."""
        if not request.last_event_id:
            return await self._prompts.send(caller, codec.decode_prompt(request))
        return await self._prompts.resume(caller.owner, decode_event_id(request.last_event_id))
