"""`parley.conversations.v1`: conversations, organizations and models."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from parley.conversations.v1 import conversations_pb2 as pb
from parley.conversations.v1 import conversations_pb2_grpc

from server.application.organizations import Organizations
from server.application.runs import Runs
from server.application.sessions import Sessions
from server.application.streams import Streams
from server.domain.errors import RunFailed
from server.domain.events import Event, RunEnded
from server.domain.ids import ConversationId, ModelId, OrganizationId, RunId, SessionId
from server.domain.principal import Owner
from server.domain.run import RunState
from server.rpc.codecs import conversations as codec
from server.rpc.codecs.chat_stream import ChatStream
from server.rpc.interceptors.call import owner, principal

_DEFAULT_LIMIT: Final = 20


class ConversationServicer(conversations_pb2_grpc.ConversationServiceServicer):
    """Serves `ConversationService` with the use cases of sessions; what each method promises stands in its proto."""

    def __init__(self, sessions: Sessions, runs: Runs, streams: Streams) -> None:
        self._sessions = sessions
        self._runs = runs
        self._streams = streams

    async def CreateConversation(
        self, request: pb.CreateConversationRequest, _context: Any
    ) -> pb.CreateConversationResponse:
        """A new conversation."""
        wanted = request.conversation
        conversation = await self._sessions.create_conversation(
            principal(), _organization(request.org_id), title=wanted.title, archived=wanted.is_archived
        )
        return pb.CreateConversationResponse(conversation=codec.encode_conversation(conversation))

    async def CreateSession(self, request: pb.CreateSessionRequest, _context: Any) -> pb.CreateSessionResponse:
        """A new session."""
        session = await self._sessions.open(
            principal(),
            _organization(request.org_id),
            conversation_id=_conversation(request.session.conversation_id),
            model_id=ModelId(request.session.model_id.lower()),
        )
        return pb.CreateSessionResponse(session=codec.encode_session(session))

    async def StreamChat(
        self, request: pb.StreamChatRequest, _context: Any
    ) -> AsyncGenerator[pb.StreamChatResponse, None]:
        """The answer as it comes."""
        caller = principal()
        session_id = SessionId(request.chat.chat_session_id.lower())
        run = await self._sessions.send(
            caller, _organization(request.org_id), session_id=session_id, content=request.chat.message
        )
        chat = ChatStream()
        async with aclosing(self._streams.run(caller.owner, run.id, after=0)) as events:
            async for event in events:
                shown = chat.encode(event)
                if shown is not None:
                    yield shown
                elif isinstance(event, Event) and _failed(event):
                    raise await self._failure(caller.owner, run.id)

    async def ListConversations(
        self, request: pb.ListConversationsRequest, _context: Any
    ) -> pb.ListConversationsResponse:
        """All of the caller's conversations in the organization."""
        found = await self._sessions.conversations(owner(), _organization(request.org_id))
        return pb.ListConversationsResponse(
            conversations=[codec.encode_conversation(conversation) for conversation in found]
        )

    async def GetConversationWithSessions(
        self, request: pb.GetConversationWithSessionsRequest, _context: Any
    ) -> pb.GetConversationWithSessionsResponse:
        """One conversation and its sessions."""
        conversation, sessions = await self._sessions.with_sessions(
            owner(), _organization(request.org_id), _conversation(request.conversation_id)
        )
        return pb.GetConversationWithSessionsResponse(conversation=codec.encode_with_sessions(conversation, sessions))

    async def ListMessages(self, request: pb.ListMessagesRequest, _context: Any) -> pb.ListMessagesResponse:
        """A window of a conversation's history."""
        limit = request.limit if request.HasField("limit") else _DEFAULT_LIMIT
        found = await self._sessions.messages(
            owner(),
            _organization(request.org_id),
            _conversation(request.conversation_id),
            limit=limit,
            offset=request.offset,
            descending=request.order == pb.ORDER_DESC,
        )
        return codec.encode_messages(found, limit=limit, offset=request.offset)

    async def _failure(self, caller: Owner, run_id: RunId) -> RunFailed:
        """Why a run failed. Read from the run: its last event does not say how long to wait."""
        error = (await self._runs.get(caller, run_id)).error
        if error is None:
            return RunFailed(reason="INTERNAL", message="the run failed")
        return RunFailed(reason=error.reason, message=error.message, retry_after=error.retry_after)


class OrganizationServicer(conversations_pb2_grpc.OrganizationServiceServicer):
    """Serves `OrganizationService`; what each method promises stands in its proto."""

    def __init__(self, organizations: Organizations) -> None:
        self._organizations = organizations

    async def ListOrganizations(
        self, _request: pb.ListOrganizationsRequest, _context: Any
    ) -> pb.ListOrganizationsResponse:
        """The organizations of the caller."""
        found = await self._organizations.of(owner())
        return pb.ListOrganizationsResponse(
            organizations=[codec.encode_organization(membership) for membership in found]
        )


class ModelServicer(conversations_pb2_grpc.ModelServiceServicer):
    """Serves `ModelService`; what each method promises stands in its proto."""

    def __init__(self, organizations: Organizations) -> None:
        self._organizations = organizations

    async def ListModels(self, request: pb.ListModelsRequest, _context: Any) -> pb.ListModelsResponse:
        """The configured models."""
        models = await self._organizations.models(owner(), _organization(request.org_id))
        return pb.ListModelsResponse(models=[codec.encode_model(model) for model in models])


def _failed(event: Event) -> bool:
    return isinstance(event.payload, RunEnded) and event.payload.state is RunState.FAILED


# UUIDs are accepted in either case and stored in lower case.
def _organization(org_id: str) -> OrganizationId:
    return OrganizationId(org_id.lower())


def _conversation(conversation_id: str) -> ConversationId:
    return ConversationId(conversation_id.lower())
