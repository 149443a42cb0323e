"""Use case of seeing what the model was sent: the requests of a run, made again from what is kept of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from server.application.model_context import summary_of
from server.application.paging import Page, cut, number_position, number_token
from server.application.run_lookup import find_run
from server.domain.addressed import addressed
from server.domain.attachment import Attachment
from server.domain.context import PromptMessage
from server.domain.enclosure import Shown
from server.domain.errors import ReplyTooLarge
from server.domain.ids import FileId, MessageId, RunId
from server.domain.limits import Limits
from server.domain.message import Message, heard
from server.domain.model_request import assembled, included_of
from server.domain.origin import Origin
from server.domain.principal import Owner
from server.domain.request_record import RequestRecord
from server.domain.run import Run
from server.domain.weight import weight_of_prompt
from server.ports.store import Store, Transaction

_REPLY_BYTES = 3 * 1024 * 1024
"""What the requests of one page may weigh; a reply of 4 MiB is refused by most clients."""


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A message as the model was sent it, and the message of the history that it shows, if it shows one."""

    message: PromptMessage
    source_id: MessageId | None
    is_shortened: bool = False
    """Whether it is the beginning of a tool's result only."""
    attachments: tuple[tuple[Attachment, Shown], ...] = ()
    """Its files, and what of them the model was shown."""


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """A model request, whole."""

    record: RequestRecord
    parts: tuple[ShownPart, ...]

    @property
    def weight(self) -> int:
        """About how many bytes it takes in a reply, at most."""
        return weight_of_prompt(self.record, [part.message for part in self.parts])


class RunPrompts:
    """Requests of a caller's runs."""

    def __init__(self, *, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    async def page(self, owner: Owner, run_id: RunId, *, page_size: int, page_token: str) -> Page[ShownRequest]:
        """The requests of a run in order, as many as fit into a reply. Raises `RunNotFound`, `ReplyTooLarge`."""
        size = page_size or self._limits.default_page
        kind = f"prompt/{run_id}"
        offset = number_position(kind, page_token)

        async def unit(tx: Transaction) -> Page[ShownRequest]:
            run = await find_run(tx, run_id)
            shown: list[ShownRequest] = []
            weight = 0
            for record in await tx.model_requests.of_run(run_id, offset=offset, limit=size + 1):
                request = await _shown(tx, run, record)
                weight += request.weight
                shown.append(request)
                if weight > _REPLY_BYTES:
                    break
            if weight > _REPLY_BYTES and len(shown) == 1:
                raise ReplyTooLarge("this model request does not fit into one reply")
            # One that fits no more is the first of the next page.
            most = len(shown) - 1 if weight > _REPLY_BYTES else size
            return cut(shown, most, lambda _: number_token(kind, offset + most))

        return await self._store.read(owner, unit)


async def _shown(tx: Transaction, run: Run, record: RequestRecord) -> ShownRequest:
    included: list[Message] = []
    short: set[MessageId] = set()
    for each in record.included:
        count = each.last - each.first + 1
        after = each.first - 1
        found = await tx.branches.page(record.conversation_id, record.branch, after=after, limit=count)
        included += included_of([heard(message, at=record.created_at) for message in found], each)
        short |= {message.id for message in found} if each.characters is not None else set()
    compaction = await tx.compactions.get(record.compaction_id) if record.compaction_id else None
    parts = assembled(included, system_prompt=record.system_prompt, summary=summary_of(compaction))
    sent = addressed([part.message for part in parts], Origin(record.provider, run.model))
    files = {(each.position, each.file_id): each.shown for each in record.files}
    return ShownRequest(
        record,
        tuple(
            ShownPart(
                message,
                source.id if source else None,
                source is not None and source.id in short,
                _files(source, files) if source else (),
            )
            for message, source in zip(sent, (part.source for part in parts), strict=True)
        ),
    )


def _files(source: Message, files: Mapping[tuple[int, FileId], Shown]) -> tuple[tuple[Attachment, Shown], ...]:
    return tuple((each, files[source.position or 0, each.file_id]) for each in source.attachments)
