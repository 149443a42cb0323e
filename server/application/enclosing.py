"""Puts the files of messages into a model request, as far as they are there, the model takes them and there is room.

Contents are read when the request is made and held as long as it lasts, in base 64: nothing of them is stored anew. A
file that cannot be shown is no reason for a request to fail: a note stands in its place.
"""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

from server.application.attaching import read_text
from server.application.held_contents import Holding
from server.domain.attachment import AcceptedTypes, Attachment, AttachmentLimits
from server.domain.context import PromptMessage
from server.domain.enclosure import Enclosure, SentFile, Shown, framed, note
from server.domain.errors import FileNotFound
from server.domain.ids import FileId
from server.domain.principal import Owner
from server.domain.tool_groups import Part
from server.ports.blobs import Blobs
from server.ports.store import Store


@dataclass(frozen=True, slots=True)
class Enclosed:
    """The messages of a request with their files, and an account of those."""

    messages: tuple[PromptMessage, ...]
    files: tuple[SentFile, ...] = ()


class Enclosing:
    """Encloses files. Keeps nothing between calls."""

    def __init__(self, *, store: Store, blobs: Blobs, limits: AttachmentLimits) -> None:
        self._store = store
        self._blobs = blobs
        self._limits = limits

    async def enclosed(
        self,
        owner: Owner,
        parts: Sequence[Part],
        holding: Holding,
        *,
        accepted: AcceptedTypes,
        text_allowance: int | None,
    ) -> Enclosed:
        """The messages of the parts, which are in order: the files of the last message come first where there is room
        for some only. `text_allowance` are the tokens that each text may take. What is read counts into the `holding`,
        for which it may wait. Raises `StoreUnavailable`."""
        named = {each.file_id for part in parts for each in part.message.attachments}
        if not named:
            return Enclosed(tuple(part.message for part in parts))
        there = await self._store.read(owner, lambda tx: tx.storage.present(named))
        choice = _Choice(there, accepted, self._limits.request_bytes)
        newest_first = [(part, [choice.shown(each) for each in part.message.attachments]) for part in reversed(parts)]
        await holding.take(choice.taken)
        messages: list[PromptMessage] = []
        files: list[SentFile] = []
        for part, shown in newest_first:
            enclosures = [
                await self._enclosure(each, how, text_allowance)
                for each, how in zip(part.message.attachments, shown, strict=True)
            ]
            position = (part.source.position if part.source else None) or 0
            files[:0] = [SentFile(position, each.attachment.file_id, each.shown) for each in enclosures]
            messages.append(replace(part.message, enclosures=tuple(enclosures)) if enclosures else part.message)
        return Enclosed(tuple(reversed(messages)), tuple(files))

    async def _enclosure(self, attachment: Attachment, shown: Shown, text_allowance: int | None) -> Enclosure:
        if shown is not Shown.WHOLE:
            return Enclosure(attachment, shown, text=note(attachment, shown))
        if attachment.is_text:
            content = b"".join([piece async for piece in self._pieces(attachment.file_id)])
            if len(content) == attachment.size:
                text, shown = framed(attachment, read_text(content), most_tokens=text_allowance)
                return Enclosure(attachment, shown, text=text)
        else:
            size, data = await self._in_base64(attachment.file_id)
            if size == attachment.size:
                return Enclosure(attachment, shown, data=data)
        return Enclosure(attachment, Shown.DELETED, text=note(attachment, Shown.DELETED))

    async def _in_base64(self, file_id: FileId) -> tuple[int, bytes]:
        """How many bytes a content has, and the content, never held in any other form."""
        size, encoded, rest = 0, bytearray(), b""
        async for piece in self._pieces(file_id):
            size += len(piece)
            joined = rest + piece
            whole = len(joined) - len(joined) % 3
            encoded += base64.b64encode(joined[:whole])
            rest = joined[whole:]
        encoded += base64.b64encode(rest)
        return size, bytes(encoded)

    async def _pieces(self, file_id: FileId) -> AsyncIterator[bytes]:
        """A content, as far as it is still there."""
        with suppress(FileNotFound):
            async with aclosing(self._blobs.read(file_id)) as pieces:
                async for piece in pieces:
                    yield piece


class _Choice:
    """Says what is shown of each file, the most important one first."""

    def __init__(self, there: set[FileId], accepted: AcceptedTypes, room: int) -> None:
        self._there = there
        self._accepted = accepted
        self._room = room
        self.taken = 0
        """Bytes of the files that are shown."""

    def shown(self, attachment: Attachment) -> Shown:
        """What is shown of the next file."""
        if attachment.file_id not in self._there:
            return Shown.DELETED
        if not self._accepted.take(attachment.media_type):
            return Shown.NOT_ACCEPTED
        # What is older than a file that does not fit is not shown either: there would be no telling which are.
        self._room = self._room - attachment.size if attachment.size <= self._room else -1
        if self._room < 0:
            return Shown.LEFT_OUT
        self.taken += attachment.size
        return Shown.WHOLE
