"""Looks at the files that a message is to bring along, before it is accepted: whose they are, what they are, how large,
and whether the model takes them."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import structlog

from server.application.model_context import configured
from server.domain.attachment import Attachment, AttachmentKind, AttachmentLimits, kind_of, usual_type
from server.domain.attachment_errors import AttachmentNotAccepted, AttachmentsTooLarge
from server.domain.attachment_tokens import HEAD_BYTES, PageCount, head_tokens, text_tokens
from server.domain.errors import FieldViolation, FileNotFound, InvalidField, ScopeMissing
from server.domain.ids import FileId
from server.domain.media_type import PREFIX_BYTES, judged_type
from server.domain.principal import Owner, Principal
from server.domain.run import Run
from server.domain.storage import StoredFile
from server.ports.blobs import Blobs
from server.ports.provider import Models
from server.ports.store import Store, Transaction

_log = structlog.get_logger(__name__)

_SCOPE: Final = "files:read"
_NAMED: Final = 8
"""How many models are named to who chose one that does not take a file."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Files that were looked at."""

    attachments: tuple[Attachment, ...] = ()
    texts: tuple[str, ...] = ()
    """What of them becomes part of a prompt: their names, and the contents of texts."""
    missing: FileNotFound | None = None
    """One that is not there; which does not matter to who repeats a message that was accepted before it went."""


NOTHING: Final = Looked()


class Attaching:
    """Attaches files to messages. Keeps nothing between calls."""

    def __init__(self, *, store: Store, blobs: Blobs, models: Models, limits: AttachmentLimits) -> None:
        self._store = store
        self._blobs = blobs
        self._models = models
        self._limits = limits

    async def look(self, principal: Principal, file_ids: Sequence[FileId]) -> Looked:
        """Look at files that the caller keeps; costs nothing for none. Raises `ScopeMissing` (who attaches a file could
        have the model read it out), `AttachmentsTooLarge`, `MediaTypeMismatch`, `StoreUnavailable`."""
        if not file_ids:
            return NOTHING
        if not principal.has_scope(_SCOPE):
            raise ScopeMissing(_SCOPE)
        _bounded(len(file_ids), self._limits.count, "files")
        try:
            files = await self._files(principal.owner, file_ids)
            self._check_sizes(files)
            looked = [await self._looked_at(file) for file in files]
        except FileNotFound as error:
            return Looked(missing=error)
        attachments, texts = zip(*looked, strict=True)
        return Looked(attachments, (*(each.name for each in attachments), *filter(None, texts)))

    async def confirmed(self, tx: Transaction, looked: Looked, run: Run) -> tuple[Attachment, ...]:
        """The files, for a message that is accepted now. Raises `FileNotFound`, `AttachmentNotAccepted`,
        `InvalidField` when an image is to be drawn."""
        if looked.missing is not None:
            raise looked.missing
        if not looked.attachments:
            return ()
        if run.options.image:
            raise InvalidField([FieldViolation("user_message.attachments", "an image is drawn from words alone")])
        there = await tx.storage.present([each.file_id for each in looked.attachments])
        for attachment in looked.attachments:
            if attachment.file_id not in there:
                raise FileNotFound(attachment.file_id)
        self._check_accepted(looked.attachments, run)
        return looked.attachments

    async def _files(self, owner: Owner, file_ids: Sequence[FileId]) -> list[StoredFile]:
        async def unit(tx: Transaction) -> list[StoredFile]:
            found = []
            for file_id in file_ids:
                file = await tx.storage.file(file_id)
                if file is None:
                    raise FileNotFound(file_id)
                found.append(file)
            return found

        return await self._store.read(owner, unit)

    def _check_sizes(self, files: Sequence[StoredFile]) -> None:
        limits = self._limits
        texts = [file.size for file in files if kind_of(file.media_type) is AttachmentKind.TEXT]
        _bounded(max(file.size for file in files), limits.file_bytes, "bytes of a file")
        _bounded(sum(file.size for file in files), limits.message_bytes, "bytes of files")
        _bounded(sum(texts), limits.text_bytes, "bytes of text files")

    def _check_accepted(self, attachments: Sequence[Attachment], run: Run) -> None:
        accepted = configured(self._models, provider=run.provider, name=run.model).accepted
        for attachment in attachments:
            if not accepted.take(attachment.media_type):
                others = [model.name for model in self._models.all() if model.accepted.take(attachment.media_type)]
                raise AttachmentNotAccepted(
                    model=run.model, media_type=attachment.media_type, accepted_by=others[:_NAMED]
                )

    async def _looked_at(self, file: StoredFile) -> tuple[Attachment, str]:
        """A file, and its text if it is one. Raises `FileNotFound` for one without its content, `MediaTypeMismatch`."""
        kind = kind_of(file.media_type)
        most = min(file.size, file.size if kind is AttachmentKind.TEXT else HEAD_BYTES)
        head, pages = await self._read(file.id, most, counts_pages=kind is AttachmentKind.PDF)
        if len(head) < most or await self._blobs.size(file.id) != file.size:
            _log.warning("file_without_content", file=file.id)
            raise FileNotFound(file.id)
        media_type = judged_type(head[:PREFIX_BYTES], file.media_type)
        attachment = Attachment(file.id, file.name, usual_type(media_type), file.size, file.sha256, tokens=0)
        if kind is AttachmentKind.TEXT:
            text = read_text(head)
            return replace(attachment, tokens=text_tokens(attachment, text)), text
        return replace(attachment, tokens=head_tokens(media_type, file.size, head, pages=pages)), ""

    async def _read(self, file_id: FileId, most: int, *, counts_pages: bool) -> tuple[bytes, int]:
        """The beginning of a content, and how many pages it has, which takes all of it."""
        head, count = bytearray(), PageCount()
        async with aclosing(self._blobs.read(file_id)) as pieces:
            async for piece in pieces:
                head += piece[: max(0, most - len(head))]
                if counts_pages:
                    count.add(piece)
                elif len(head) >= most:
                    break
        return bytes(head), count.pages


def read_text(content: bytes) -> str:
    """The text of a content; what is no UTF-8 in it is marked as unreadable."""
    return content.decode("utf-8-sig", errors="replace")


def _bounded(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise AttachmentsTooLarge(what=what, limit=limit)
