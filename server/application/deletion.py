"""How a conversation ends for good, through whatever door: with everything in it, its run and its streams."""

from collections.abc import Awaitable, Callable

from server.application.conversations import lock_by_id
from server.domain.conversation import Conversation
from server.domain.ids import ConversationId
from server.domain.principal import Owner
from server.domain.run import Run
from server.ports.feed import Feed
from server.ports.store import Store, Transaction
from server.ports.worker import Worker

Locked = Callable[[Transaction], Awaitable[Conversation]]
"""Finds a conversation and locks it for its unit; raises when there is none that may be destroyed."""


class Deletion:
    """Destroys conversations: runs stop, streams end. Once it has begun, cancelling the caller undoes nothing."""

    def __init__(self, *, store: Store, worker: Worker, feed: Feed) -> None:
        self._store = store
        self._worker = worker
        self._feed = feed

    async def by_id(self, owner: Owner, conversation_id: ConversationId) -> ConversationId:
        """Destroy the owner's conversation of that id. Raises `ConversationNotFound`."""
        return await self.of(owner, lambda tx: lock_by_id(tx, conversation_id))

    async def of(self, owner: Owner, locked: Locked) -> ConversationId:
        """Destroy the conversation that `locked` finds; raises what that raises. Returns the id of what is gone."""
        return await self._worker.uninterrupted(self._destroy(owner, locked))

    async def _destroy(self, owner: Owner, locked: Locked) -> ConversationId:
        async def unit(tx: Transaction) -> tuple[ConversationId, Run | None]:
            conversation = await locked(tx)
            active = await tx.runs.active(conversation.id)
            await tx.conversations.delete(conversation.id)
            return conversation.id, active

        identity, active = await self._store.write(owner, unit)
        if active:
            self._worker.stop(active)
        self._feed.resync(identity)
        return identity
