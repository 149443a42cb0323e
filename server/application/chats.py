"""Use cases of chats: list, read, rename, archive. An archived conversation is no chat any more."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.application.conversations import described, save
from server.application.guard import Guard
from server.application.repeats import Repeats
from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound
from server.domain.ids import ConversationId
from server.domain.message import Message
from server.domain.principal import Owner, Principal
from server.ports.store import Store, Transaction
from server.ports.system import Clock


@dataclass(frozen=True, slots=True)
class ChatSlice:
    """A window of a list of chats, and how long the whole is."""

    chats: Sequence[Conversation]
    total: int


@dataclass(frozen=True, slots=True)
class ChatMessages:
    """A chat, a window of what is said in it, and how long the whole is."""

    chat: Conversation
    messages: Sequence[Message]
    total: int


class Chats:
    """The conversations of a caller that are not archived, whichever API made them."""

    def __init__(self, *, store: Store, clock: Clock, repeats: Repeats, guard: Guard) -> None:
        self._store = store
        self._clock = clock
        self._repeats = repeats
        self._guard = guard

    async def slice(self, owner: Owner, *, offset: int, limit: int) -> ChatSlice:
        """A window of the owner's chats, the most recently updated first."""

        async def unit(tx: Transaction) -> ChatSlice:
            return ChatSlice(await tx.conversations.slice(offset=offset, limit=limit), await tx.conversations.count())

        return await self._store.read(owner, unit)

    async def messages(self, owner: Owner, conversation_id: ConversationId, *, offset: int, limit: int) -> ChatMessages:
        """A window of what is said in a chat, the oldest first. Raises `ConversationNotFound`."""

        async def unit(tx: Transaction) -> ChatMessages:
            chat = unarchived(await tx.conversations.by_id(conversation_id), conversation_id)
            messages = await tx.messages.slice(chat.id, offset=offset, limit=limit, descending=False)
            return ChatMessages(chat, messages, await tx.messages.count_said(chat.id))

        return await self._store.read(owner, unit)

    async def rename(self, principal: Principal, conversation_id: ConversationId, title: str) -> Conversation:
        """Give a chat another title. Raises `ConversationNotFound`, and what `Guard.check` raises."""
        await self._guard.check(title)
        return await self._change(principal, conversation_id, name=title)

    async def archive(self, principal: Principal, conversation_id: ConversationId) -> Conversation:
        """Archive a chat; nothing of it is destroyed. Raises `ConversationNotFound`."""
        return await self._change(principal, conversation_id, archived=True)

    async def _change(
        self,
        principal: Principal,
        conversation_id: ConversationId,
        *,
        name: str | None = None,
        archived: bool | None = None,
    ) -> Conversation:
        async def unit(tx: Transaction) -> Conversation:
            old = unarchived(await tx.conversations.lock_by_id(conversation_id), conversation_id)
            return await save(tx, principal, old, described(old, name=name, archived=archived), now=self._clock.now())

        return (await self._repeats.write(principal, Conversation, unit, of=lambda chat: chat.id)).result


def unarchived(found: Conversation | None, conversation_id: ConversationId) -> Conversation:
    """The conversation, if it is a chat. Raises `ConversationNotFound`."""
    if found is None or found.archived:
        raise ConversationNotFound(conversation_id)
    return found
