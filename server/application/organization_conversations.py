"""Use cases of conversations within an organization: make, list, read, change, remove."""

from dataclasses import dataclass

from server.application.catalogue import Catalogue
from server.application.conversations import described, lock_by_id, new_conversation, save
from server.application.deletion import Deletion
from server.application.guard import Guard
from server.application.membership import require
from server.application.repeats import Repeats
from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound
from server.domain.ids import ConversationId, OrganizationId, default_organization_id
from server.domain.message import Message
from server.domain.organization import MemberRole
from server.domain.principal import Owner, Principal
from server.domain.session import ChatSession
from server.ports.provider import Models
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids


@dataclass(frozen=True, slots=True)
class MessageSlice:
    """A window of a history, and how long the whole is."""

    messages: list[Message]
    total: int


class OrganizationConversations:
    """Conversations of a caller within an organization.

    Every use case raises `NotAMember`; what changes something needs a Member (`RoleMissing`); what names a conversation
    raises `ConversationNotFound`, also for one of another organization. Conversations that were made through an API
    without organizations belong to the tenant's default one.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        models: Models,
        catalogue: Catalogue,
        deletion: Deletion,
        repeats: Repeats,
        guard: Guard,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._models = models
        self._catalogue = catalogue
        self._deletion = deletion
        self._repeats = repeats
        self._guard = guard

    async def create(
        self, principal: Principal, organization_id: OrganizationId, *, title: str, archived: bool
    ) -> Conversation:
        """Make a conversation whose key is its id. Raises what `Guard.check` raises."""
        await self._guard.check(title)
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
            await require(tx, organization_id, MemberRole.MEMBER)
            await tx.conversations.add(conversation)
            return conversation

        return (
            await self._repeats.write(principal, Conversation, unit, of=lambda conversation: conversation.id)
        ).result

    async def all(self, owner: Owner, organization_id: OrganizationId) -> list[Conversation]:
        """The owner's conversations in the organization, the newest first."""

        async def unit(tx: Transaction) -> list[Conversation]:
            await require(tx, organization_id)
            default = organization_id == default_organization_id(owner.tenant)
            return await tx.conversations.of_organization(organization_id, include_unassigned=default)

        return await self._store.read(owner, unit)

    async def with_sessions(
        self, owner: Owner, organization_id: OrganizationId, conversation_id: ConversationId
    ) -> tuple[Conversation, list[ChatSession]]:
        """A conversation and its sessions, the oldest first. A session whose model cannot be used is over: COMPLETED,
        for as long as that is so."""

        async def unit(tx: Transaction) -> tuple[Conversation, list[ChatSession]]:
            await require(tx, organization_id)
            conversation = await find_in(tx, organization_id, conversation_id)
            usable = await self._catalogue.usable_ids(tx, organization_id)
            sessions = await tx.sessions.of_conversation(conversation_id)
            return conversation, [session.given(usable) for session in sessions]

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
        """A window of what is said in a conversation."""

        async def unit(tx: Transaction) -> MessageSlice:
            await require(tx, organization_id)
            await find_in(tx, organization_id, conversation_id)
            messages = await tx.messages.slice(conversation_id, offset=offset, limit=limit, descending=descending)
            return MessageSlice(messages, await tx.messages.count_said(conversation_id))

        return await self._store.read(owner, unit)

    async def update(
        self,
        principal: Principal,
        organization_id: OrganizationId,
        conversation_id: ConversationId,
        *,
        title: str | None,
        archived: bool | None,
    ) -> Conversation:
        """Change what is given. Raises what `Guard.check` raises."""
        await self._guard.check(title or "")

        async def unit(tx: Transaction) -> Conversation:
            old = await _lock_to_write(tx, organization_id, conversation_id)
            new = described(old, name=title, archived=archived)
            return await save(tx, principal, old, new, now=self._clock.now())

        return (
            await self._repeats.write(principal, Conversation, unit, of=lambda conversation: conversation.id)
        ).result

    async def remove(
        self, principal: Principal, organization_id: OrganizationId, conversation_id: ConversationId
    ) -> ConversationId:
        """Destroy a conversation and everything in it; its run stops, its streams end."""
        return await self._deletion.of(principal, lambda tx: _lock_to_write(tx, organization_id, conversation_id))


async def find_in(tx: Transaction, organization_id: OrganizationId, conversation_id: ConversationId) -> Conversation:
    """The owner's conversation of that id, if it belongs to the organization. Raises `ConversationNotFound`."""
    conversation = await tx.conversations.by_id(conversation_id)
    if conversation is None:
        raise ConversationNotFound(conversation_id)
    return _belonging(conversation, organization_id)


async def _lock_to_write(
    tx: Transaction, organization_id: OrganizationId, conversation_id: ConversationId
) -> Conversation:
    await require(tx, organization_id, MemberRole.MEMBER)
    return _belonging(await lock_by_id(tx, conversation_id), organization_id)


def _belonging(conversation: Conversation, organization_id: OrganizationId) -> Conversation:
    home = conversation.organization_id or default_organization_id(conversation.owner.tenant)
    if home != organization_id:
        raise ConversationNotFound(conversation.id)
    return conversation
