"""How a conversation ends for good, through whatever door: with everything in it, its run and its streams."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from server.application.repeats import Repeats
from server.domain.audit import Act, Deed
from server.domain.conversation import Conversation
from server.domain.errors import StoreUnavailable
from server.domain.ids import ConversationId, FileId
from server.domain.principal import Principal
from server.domain.run import Run
from server.failpoint import failpoint
from server.ports.blobs import Blobs
from server.ports.feed import Feed
from server.ports.store import Transaction
from server.ports.worker import Worker

Locked = Callable[[Transaction], Awaitable[Conversation]]
"""Finds a conversation and locks it for its unit; raises when there is none that may be destroyed."""


@dataclass(frozen=True, slots=True)
class _Deleted:
    """What is gone, the run that was active in it, and the files that it had: those only while they are needed, for
    nothing that tells of the conversation outlives it."""

    id: ConversationId
    active: Run | None = None
    files: tuple[FileId, ...] = ()


class Deletion:
    """Destroys conversations: runs stop, streams end, files go. Once it has begun, cancelling the caller undoes
    nothing."""

    def __init__(self, *, worker: Worker, feed: Feed, repeats: Repeats, blobs: Blobs) -> None:
        self._worker = worker
        self._feed = feed
        self._repeats = repeats
        self._blobs = blobs

    async def of(self, principal: Principal, locked: Locked) -> ConversationId:
        """Destroy the conversation that `locked` finds; raises what that raises. Returns the id of what is gone."""
        return await self._worker.uninterrupted(self._destroy(principal, locked))

    async def _destroy(self, principal: Principal, locked: Locked) -> ConversationId:
        async def unit(tx: Transaction) -> _Deleted:
            conversation = await locked(tx)
            active = await tx.runs.active(conversation.id)
            files = await tx.files.of_conversation(conversation.id)
            for call in await tx.usage.open_in(conversation.id):
                await tx.usage.settle(call, call.given_up())
            await tx.conversations.delete(conversation.id)
            failpoint("deletion.deleting")
            return _Deleted(conversation.id, active, tuple(files))

        done = await self._repeats.write(
            principal, _Deleted, unit, keep=lambda deleted: _Deleted(deleted.id), deeds=_deeds
        )
        failpoint("deletion.committed")
        if not done.repeated:
            if done.result.active:
                self._worker.stop(done.result.active)
            self._feed.resync(done.result.id)
            with suppress(StoreUnavailable):  # the conversation is gone; contents that could not go are swept
                await self._blobs.delete(done.result.files)
        return done.result.id


def _deeds(deleted: _Deleted) -> list[Deed]:
    return [Deed(Act.CONVERSATION_DELETED, deleted.id)]
