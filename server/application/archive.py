"""Use cases of the archive: search the conversations of a user, read one whole, destroy one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from server.application.conversations import lock_by_id
from server.application.deletion import Deletion
from server.domain.conversation import Conversation
from server.domain.errors import ConversationForbidden, ConversationNotFound, ReplyTooLarge
from server.domain.ids import ConversationId
from server.domain.message import Message
from server.domain.principal import Owner, Principal
from server.domain.search import Search
from server.domain.weight import weight_of_conversation
from server.ports.store import Store, Transaction
from server.ports.system import Clock

MOST_CONVERSATIONS: Final = 1000
MOST_BYTES: Final = 15 * 256 * 1024
"""What a reply may weigh: 3.75 MiB, below what the transport takes."""


@dataclass(frozen=True, slots=True)
class ArchivedConversation:
    """A conversation and its whole history."""

    conversation: Conversation
    messages: Sequence[Message]


class Archive:
    """All conversations of a caller, made through whatever door."""

    def __init__(self, *, store: Store, clock: Clock, deletion: Deletion) -> None:
        self._store = store
        self._clock = clock
        self._deletion = deletion

    async def find(self, owner: Owner, search: Search) -> list[ArchivedConversation]:
        """The conversations of a search at one moment, whole. Raises `SearchTooBroad`, and `ReplyTooLarge` when they
        are more, or larger, than a reply may be."""

        async def unit(tx: Transaction) -> list[ArchivedConversation]:
            found = await tx.archive.find(search, most=MOST_CONVERSATIONS + 1)
            if len(found) > MOST_CONVERSATIONS:
                raise _too_large(f"more than {MOST_CONVERSATIONS} conversations")
            return await _whole(tx, found)

        return await self._store.read(owner, unit)

    async def get(self, principal: Principal, conversation_id: ConversationId) -> ArchivedConversation:
        """A conversation as it was before this look, which is recorded, durably, before it returns.

        Raises `ConversationNotFound`, `ConversationForbidden`, `ReplyTooLarge`; then nothing is recorded.
        """

        async def look(tx: Transaction) -> ArchivedConversation:
            conversation = await tx.conversations.by_id(conversation_id)
            if conversation is None:
                raise await absence(tx, conversation_id)
            return (await _whole(tx, [conversation]))[0]

        seen = await self._store.read(principal.owner, look)
        now = self._clock.now()
        # Apart from the look itself, so that no history is read where everybody's writes wait for their turn.
        await self._store.write(
            principal.owner, lambda tx: tx.conversations.record_access(conversation_id, now, by=principal.user_id)
        )
        return seen

    async def delete(self, principal: Principal, conversation_id: ConversationId) -> ConversationId:
        """Destroy a conversation and everything in it; its run stops, its streams end. Raises `ConversationNotFound`,
        `ConversationForbidden`."""

        async def locked(tx: Transaction) -> Conversation:
            try:
                return await lock_by_id(tx, conversation_id)
            except ConversationNotFound:
                raise await absence(tx, conversation_id) from None

        return await self._deletion.of(principal, locked)


async def absence(tx: Transaction, conversation_id: ConversationId) -> ConversationForbidden | ConversationNotFound:
    """Why the owner has no conversation of that id: this door tells when another user of the tenant has it."""
    if await tx.archive.is_anothers(conversation_id):
        return ConversationForbidden()
    return ConversationNotFound(conversation_id)


async def _whole(tx: Transaction, found: Sequence[Conversation]) -> list[ArchivedConversation]:
    """The conversations with their histories, in the same order. Raises `ReplyTooLarge`."""
    left = MOST_BYTES - sum(map(weight_of_conversation, found))
    try:
        histories = await tx.archive.histories([each.id for each in found], most_bytes=left)
    except ReplyTooLarge:
        raise _too_large(f"{MOST_BYTES} bytes") if len(found) > 1 else _too_large_alone(found[0]) from None
    return [ArchivedConversation(each, histories[each.id]) for each in found]


def _too_large(bound: str) -> ReplyTooLarge:
    return ReplyTooLarge(f"the reply would hold more than {bound}; ask for fewer with limit_from and limit_to")


def _too_large_alone(conversation: Conversation) -> ReplyTooLarge:
    return ReplyTooLarge(
        f"the conversation {conversation.id} alone is larger than a reply may be ({MOST_BYTES} bytes);"
        " list its messages in pages instead"
    )
