"""Use cases of the conversations API: conversations of an organization, and chat sessions that talk to a model each."""

from dataclasses import dataclass

from server.application.conversations import new_conversation
from server.application.organizations import membership
from server.application.repeats import Repeats
from server.application.runs import Runs, SendMessage
from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound, NotAMember, SessionNotFound
from server.domain.ids import ConversationId, ModelId, OrganizationId, SessionId, default_organization_id
from server.domain.message import Message
from server.domain.organization import MemberRole
from server.domain.principal import Owner, Principal
from server.domain.run import Run
from server.domain.session import ChatSession
from server.ports.provider import Models
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids


@dataclass(frozen=True, slots=True)
class MessageSlice:
    """A window of a history, and how long the whole is."""

    messages: list[Message]
    total: int


class Sessions:
    """Conversations and chat sessions of a caller within an organization. Every use case raises `NotAMember` unless the
    caller is an active member of it; what changes something also for a guest."""

    def __init__(self, *, store: Store, clock: Clock, ids: Ids, models: Models, runs: Runs, repeats: Repeats) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._models = models
        self._runs = runs
        self._repeats = repeats

    async def create_conversation(
        self, principal: Principal, organization_id: OrganizationId, *, title: str, archived: bool
    ) -> Conversation:
        """Make a conversation whose key is its id."""
        identity = ConversationId(str(self._ids.uuid()))
        conversation = new_conversation(
            principal,
            identity,
            key=identity,
            name=title,
            now=self._clock.now(),
            models=self._models,
            organization_id=organization_id,
            archived=archived,
        )

        async def unit(tx: Transaction) -> Conversation:
            await _writing_member(tx, organization_id)
            await tx.conversations.add(conversation)
            return conversation

        return (await self._repeats.write(principal, Conversation, unit)).result

    async def open(
        self,
        principal: Principal,
        organization_id: OrganizationId,
        *,
        conversation_id: ConversationId,
        model_id: ModelId,
    ) -> ChatSession:
        """Open a session. Raises `ConversationNotFound`, `UnknownModel`."""
        now = self._clock.now()
        session = ChatSession(
            id=SessionId(str(self._ids.uuid())),
            conversation_id=conversation_id,
            model_id=model_id,
            created_at=now,
            updated_at=now,
        )

        async def unit(tx: Transaction) -> ChatSession:
            await _writing_member(tx, organization_id)
            await _find(tx, organization_id, conversation_id)
            self._models.by_id(model_id)
            await tx.sessions.add(session)
            return session

        return (await self._repeats.write(principal, ChatSession, unit)).result

    async def conversations(self, owner: Owner, organization_id: OrganizationId) -> list[Conversation]:
        """The owner's conversations in the organization, the newest first. Those that were made through an API without
        organizations belong to the tenant's default one."""

        async def unit(tx: Transaction) -> list[Conversation]:
            await membership(tx, organization_id)
            default = organization_id == default_organization_id(owner.tenant)
            return await tx.conversations.of_organization(organization_id, include_unassigned=default)

        return await self._store.read(owner, unit)

    async def with_sessions(
        self, owner: Owner, organization_id: OrganizationId, conversation_id: ConversationId
    ) -> tuple[Conversation, list[ChatSession]]:
        """A conversation and its sessions, the oldest first. Raises `ConversationNotFound`."""

        async def unit(tx: Transaction) -> tuple[Conversation, list[ChatSession]]:
            await membership(tx, organization_id)
            conversation = await _find(tx, organization_id, conversation_id)
            return conversation, await tx.sessions.of_conversation(conversation_id)

        return await self._store.read(owner, unit)

    async def messages(
        self,
        owner: Owner,
        organization_id: OrganizationId,
        conversation_id: ConversationId,
        *,
        limit: int,
        offset: int,
        descending: bool,
    ) -> MessageSlice:
        """A window of a conversation's history. Raises `ConversationNotFound`."""

        async def unit(tx: Transaction) -> MessageSlice:
            await membership(tx, organization_id)
            await _find(tx, organization_id, conversation_id)
            messages = await tx.messages.slice(conversation_id, offset=offset, limit=limit, descending=descending)
            return MessageSlice(messages, await tx.messages.count(conversation_id))

        return await self._store.read(owner, unit)

    async def send(
        self,
        principal: Principal,
        organization_id: OrganizationId,
        *,
        session_id: SessionId,
        content: str,
        request_id: str = "",
    ) -> Run:
        """Send a message in a session, to its model. Raises `SessionNotFound` and what `Runs.send` raises."""

        async def unit(tx: Transaction) -> tuple[ChatSession, Conversation]:
            await _writing_member(tx, organization_id)
            session = await tx.sessions.get(session_id)
            if session is None:
                raise SessionNotFound(session_id)
            return session, await _find(tx, organization_id, session.conversation_id)

        session, conversation = await self._store.read(principal.owner, unit)
        command = SendMessage(
            conversation_key=conversation.key,
            content=content,
            request_id=request_id,
            session_id=session_id,
            model=self._models.by_id(session.model_id),
        )
        return await self._runs.send(principal, command)


async def _writing_member(tx: Transaction, organization_id: OrganizationId) -> None:
    member = await membership(tx, organization_id)
    if member.role is MemberRole.GUEST:
        raise NotAMember


async def _find(tx: Transaction, organization_id: OrganizationId, conversation_id: ConversationId) -> Conversation:
    """The owner's conversation of that id, if it belongs to the organization. Raises `ConversationNotFound`."""
    conversation = await tx.conversations.by_id(conversation_id)
    if conversation is None:
        raise ConversationNotFound(conversation_id)
    home = conversation.organization_id or default_organization_id(conversation.owner.tenant)
    if home != organization_id:
        raise ConversationNotFound(conversation_id)
    return conversation
