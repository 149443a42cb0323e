"""`parley.conversations.v1.ConversationService`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from parley.conversations.v1 import conversations_pb2 as pb
from parley.conversations.v1 import conversations_pb2_grpc

from server.application.organization_conversations import OrganizationConversations
from server.application.outcomes import failure, follow
from server.application.runs import Runs
from server.application.sessions import Sessions
from server.application.streams import Streams
from server.domain.events import Event, RunEnded
from server.domain.ids import ConversationId, ModelId, SessionId
from server.domain.principal import Principal
from server.domain.run import Run, RunState
from server.rpc.codecs import conversations as codec
from server.rpc.codecs.chat_stream import ChatStream
from server.rpc.codecs.event_id import decode_event_id
from server.rpc.codecs.organizations import organization_id
from server.rpc.interceptors.call import owner, principal

_DEFAULT_LIMIT: Final = 20


class ConversationServicer(conversations_pb2_grpc.ConversationServiceServicer):
    """Serves `ConversationService`; what each method promises stands in its proto."""

    def __init__(
        self, conversations: OrganizationConversations, sessions: Sessions, runs: Runs, streams: Streams
    ) -> None:
        self._conversations = conversations
        self._sessions = sessions
        self._runs = runs
        self._streams = streams

    async def CreateConversation(
        self, request: pb.CreateConversationRequest, _context: Any
    ) -> pb.CreateConversationResponse:
        """A new conversation."""
        wanted = request.conversation
        conversation = await self._conversations.create(
            principal(), organization_id(request.org_id), title=wanted.title, archived=wanted.is_archived
        )
        return pb.CreateConversationResponse(conversation=codec.encode_conversation(conversation))

    async def CreateSession(self, request: pb.CreateSessionRequest, _context: Any) -> pb.CreateSessionResponse:
        """A new session."""
        session = await self._sessions.open(
            principal(),
            organization_id(request.org_id),
            conversation_id=_conversation(request.session.conversation_id),
            model_id=ModelId(request.session.model_id.lower()),
        )
        return pb.CreateSessionResponse(session=codec.encode_session(session))

    async def StreamChat(
        self, request: pb.StreamChatRequest, _context: Any
    ) -> AsyncGenerator[pb.StreamChatResponse, None]:
        """The answer as it comes."""
        caller = principal()
        run, seen = await self._sent(caller, request)
        chat = ChatStream(run, after=seen)
        # From the first event on: `end` names the message that was started last.
        async with aclosing(follow(self._streams, caller.owner, run)) as events:
            async for event in events:
                for shown in chat.encode(event):
                    yield shown
                if isinstance(event, Event) and _failed(event):
                    raise await failure(self._runs, caller.owner, run, RunState.FAILED)

    async def ListConversations(
        self, request: pb.ListConversationsRequest, _context: Any
    ) -> pb.ListConversationsResponse:
        """All of the caller's conversations in the organization."""
        found = await self._conversations.all(owner(), organization_id(request.org_id))
        return pb.ListConversationsResponse(
            conversations=[codec.encode_conversation(conversation) for conversation in found]
        )

    async def GetConversationWithSessions(
        self, request: pb.GetConversationWithSessionsRequest, _context: Any
    ) -> pb.GetConversationWithSessionsResponse:
        """One conversation and its sessions."""
        conversation, sessions = await self._conversations.with_sessions(
            owner(), organization_id(request.org_id), _conversation(request.conversation_id)
        )
        return pb.GetConversationWithSessionsResponse(conversation=codec.encode_with_sessions(conversation, sessions))

    async def ListMessages(self, request: pb.ListMessagesRequest, _context: Any) -> pb.ListMessagesResponse:
        """A window of a conversation's history."""
        limit = request.limit if request.HasField("limit") else _DEFAULT_LIMIT
        found = await self._conversations.messages(
            owner(),
            organization_id(request.org_id),
            _conversation(request.conversation_id),
            limit=limit,
            offset=request.offset,
            descending=request.order == pb.ORDER_DESC,
        )
        return codec.encode_messages(found, limit=limit, offset=request.offset)

    async def UpdateConversation(
        self, request: pb.UpdateConversationRequest, _context: Any
    ) -> pb.UpdateConversationResponse:
        """The conversation with what was given changed."""
        changes = request.changes
        conversation = await self._conversations.update(
            principal(),
            organization_id(request.org_id),
            _conversation(request.conversation_id),
            title=changes.title if changes.HasField("title") else None,
            archived=changes.is_archived if changes.HasField("is_archived") else None,
        )
        return pb.UpdateConversationResponse(conversation=codec.encode_conversation(conversation))

    async def RemoveConversation(
        self, request: pb.RemoveConversationRequest, _context: Any
    ) -> pb.RemoveConversationResponse:
        """The id of what was destroyed."""
        removed = await self._conversations.remove(
            principal(), organization_id(request.org_id), _conversation(request.conversation_id)
        )
        return pb.RemoveConversationResponse(id=removed)

    async def _sent(self, caller: Principal, request: pb.StreamChatRequest) -> tuple[Run, int]:
        """The run of a stream, and up to which place it was seen: of a new message, or one whose stream is to be
        continued."""
        organization = organization_id(request.org_id)
        if request.last_event_id:
            seen = decode_event_id(request.last_event_id)
            return await self._sessions.resume(caller.owner, organization, seen), seen.sequence
        session_id = SessionId(request.chat.chat_session_id.lower())
        return await self._sessions.send(caller, organization, session_id=session_id, content=request.chat.message), 0


def _failed(event: Event) -> bool:
    return isinstance(event.payload, RunEnded) and event.payload.state is RunState.FAILED


# UUIDs are accepted in either case and stored in lower case.
def _conversation(conversation_id: str) -> ConversationId:
    return ConversationId(conversation_id.lower())
