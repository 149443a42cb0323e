"""What the use cases of every API do with one conversation inside a unit of work: make, find, lock, change it."""

from dataclasses import replace
from datetime import datetime

from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound
from server.domain.ids import ConversationId, OrganizationId
from server.domain.principal import Principal
from server.ports.provider import Models
from server.ports.store import Transaction


def new_conversation(
    principal: Principal,
    identity: ConversationId,
    *,
    key: str,
    name: str,
    now: datetime,
    models: Models,
    organization_id: OrganizationId | None = None,
    archived: bool = False,
) -> Conversation:
    """A conversation that the principal makes now; the default models would answer and draw in it."""
    return Conversation(
        id=identity,
        owner=principal.owner,
        key=key,
        name=name,
        created_at=now,
        updated_at=now,
        archived=archived,
        organization_id=organization_id,
        model=models.resolve(None).name,
        image_model=drawing.name if (drawing := models.image_model()) else "",
        created_by=principal.user_id,
        updated_by=principal.user_id,
    )


async def find(tx: Transaction, key: str) -> Conversation:
    """The owner's conversation of that key. Raises `ConversationNotFound`."""
    conversation = await tx.conversations.get(key)
    if conversation is None:
        raise ConversationNotFound(key)
    return conversation


async def lock(tx: Transaction, key: str) -> Conversation:
    """As `find`, locked until the unit is over. Raises `ConversationNotFound`."""
    conversation = await tx.conversations.lock(key)
    if conversation is None:
        raise ConversationNotFound(key)
    return conversation


async def lock_by_id(tx: Transaction, conversation_id: ConversationId) -> Conversation:
    """The owner's conversation of that id, locked until the unit is over. Raises `ConversationNotFound`."""
    conversation = await tx.conversations.lock_by_id(conversation_id)
    if conversation is None:
        raise ConversationNotFound(conversation_id)
    return conversation


def described(old: Conversation, *, name: str | None, archived: bool | None) -> Conversation:
    """The conversation with what is given changed."""
    return replace(
        old,
        name=old.name if name is None else name,
        archived=old.archived if archived is None else archived,
    )


async def save(
    tx: Transaction, principal: Principal, old: Conversation, new: Conversation, *, now: datetime
) -> Conversation:
    """Store what the principal made of a locked conversation; returns it with who changed it, and when."""
    # Never back, whatever the clock does: a list that is sorted by it would show the conversation twice.
    saved = replace(new, updated_at=max(old.updated_at, now), updated_by=principal.user_id)
    await tx.conversations.save(saved)
    return saved
