"""How a thread is copied: its settings, and its history up to a message, into a thread of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from server.application.conversations import find, lock
from server.application.guard import Guard
from server.application.model_context import usable_in
from server.application.repeats import Repeats
from server.application.revisions import in_branch
from server.domain.branch import ORIGINAL
from server.domain.compaction import Compaction
from server.domain.conversation import Conversation, ConversationSummary
from server.domain.errors import NotFound, StoreUnavailable
from server.domain.file import File
from server.domain.ids import CompactionId, ConversationId, FileId, MessageId
from server.domain.message import Message, Role
from server.domain.principal import Owner, Principal
from server.ports.blobs import Blobs
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids

_WINDOW: Final = 500
_ATTEMPTS: Final = 3
_NAME_CHARACTERS: Final = 255
_SUFFIX: Final = " (fork)"


class _FileMissing(Exception):
    """The history got a file that was not copied yet."""


class Forks:
    """Copies threads. A copy shares nothing with its source, so that either can be destroyed."""

    def __init__(self, *, store: Store, clock: Clock, ids: Ids, blobs: Blobs, repeats: Repeats, guard: Guard) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._blobs = blobs
        self._repeats = repeats
        self._guard = guard

    async def fork(
        self, principal: Principal, key: str, *, upto: MessageId | None, new_key: str, name: str
    ) -> ConversationSummary:
        """Copy a thread's settings and its history, up to a message of whatever branch, into a new thread.

        Raises `ConversationNotFound`, `MessageNotFound`, `MessageNotInHistory`, `ConversationKeyTaken`, and
        what `Guard.check` raises.
        """
        await self._guard.check(name, new_key)
        identity = ConversationId(str(self._ids.uuid()))
        now = self._clock.now()
        files: Mapping[FileId, File | None] = {}

        async def unit(tx: Transaction) -> ConversationSummary:
            source = await lock(tx, key)
            branch, history = await _history(tx, source, upto)
            messages = settled(history)
            if not _images(messages) <= files.keys():
                raise _FileMissing
            copied = _copied(principal, source, now)
            summary = await usable_in(tx, source.id, branch, upto=len(messages))
            fork = replace(
                copied,
                id=identity,
                key=new_key or identity,
                name=name or _derived(source.name),
                summary=summary.text if summary else "",
            )
            await tx.conversations.add(fork)
            for file in filter(None, files.values()):
                await tx.files.add(file)
            await tx.messages.extend(fork.id, [self._copy(message, fork, files) for message in messages])
            if summary is not None:
                await tx.compactions.add(self._summary(summary, fork))
            return ConversationSummary(fork, active_state=None)

        for _ in range(_ATTEMPTS):
            try:
                return (
                    await self._repeats.write(
                        principal, ConversationSummary, unit, of=lambda summary: summary.conversation.id
                    )
                ).result
            except _FileMissing:
                files = await self._copied_files(principal.owner, key, upto, fork=identity)
        raise StoreUnavailable("the thread gets images faster than they can be copied; nothing was stored")

    async def _copied_files(
        self, owner: Owner, key: str, upto: MessageId | None, *, fork: ConversationId
    ) -> dict[FileId, File | None]:
        """Copies of the files that a history refers to, contents first: what is not used then is swept."""

        async def unit(tx: Transaction) -> dict[FileId, File | None]:
            _, history = await _history(tx, await find(tx, key), upto)
            messages = settled(history)
            return {file_id: await tx.files.get(file_id) for file_id in sorted(_images(messages))}

        try:
            originals = await self._store.read(owner, unit)
        except NotFound:
            return {}
        return {file_id: await self._copied_file(file, fork) for file_id, file in originals.items()}

    async def _copied_file(self, file: File | None, fork: ConversationId) -> File | None:
        if file is None:
            return None
        copy = replace(file, id=FileId(str(self._ids.uuid())), conversation_id=fork)
        await self._blobs.put(copy.id, b"".join([piece async for piece in self._blobs.read(file.id)]))
        return copy

    def _summary(self, summary: Compaction, fork: Conversation) -> Compaction:
        """The first summary of the copy: it stands for the same messages."""
        identity = CompactionId(str(self._ids.uuid()))
        return replace(summary, id=identity, conversation_id=fork.id, version=1, branch=ORIGINAL, run_id=None)

    def _copy(self, message: Message, fork: Conversation, files: Mapping[FileId, File | None]) -> Message:
        image = message.image
        file = files[image.file_id] if image else None
        return replace(
            message,
            id=MessageId(str(self._ids.uuid())),
            conversation_id=fork.id,
            run_id=None,
            session_id=None,
            branch=None,
            image=replace(image, file_id=file.id) if image and file else None,
        )


def settled(messages: Sequence[Message]) -> Sequence[Message]:
    """A history without the tool calls at its end that have no result yet: no provider takes such."""
    for place in reversed(range(len(messages))):
        if calls := {call.id for call in messages[place].tool_calls}:
            answered = {message.tool_call_id for message in messages[place:]}
            return messages if calls <= answered else messages[:place]
    return messages


async def _history(tx: Transaction, source: Conversation, upto: MessageId | None) -> tuple[int, list[Message]]:
    """The history up to a message, results of the tool calls that it asks for included; all of it for none. And the
    branch that it is of."""
    if upto is None:
        return source.branch, await tx.messages.history(source.id)
    last, place = await in_branch(tx, source, upto)
    branch = last.branch or source.branch
    messages = await tx.branches.page(source.id, branch, after=0, limit=place)
    while True:
        following = await tx.branches.page(source.id, branch, after=len(messages), limit=_WINDOW)
        results = _leading_results(following)
        messages += results
        if not results or len(results) < len(following):
            return branch, messages


def _leading_results(messages: Sequence[Message]) -> Sequence[Message]:
    for place, message in enumerate(messages):
        if message.role is not Role.TOOL:
            return messages[:place]
    return messages


def _images(messages: Sequence[Message]) -> set[FileId]:
    return {message.image.file_id for message in messages if message.image is not None}


def _copied(principal: Principal, source: Conversation, now: datetime) -> Conversation:
    """What a new conversation takes over from its source."""
    return replace(
        source,
        created_at=now,
        updated_at=now,
        archived=False,
        last_sequence=0,
        branch=ORIGINAL,
        summary="",
        created_by=principal.user_id,
        updated_by=principal.user_id,
        accessed_by=None,
        accessed_at=None,
    )


def _derived(name: str) -> str:
    return name[: _NAME_CHARACTERS - len(_SUFFIX)] + _SUFFIX
