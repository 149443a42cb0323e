"""Model requests of the owner's runs. Texts that many requests of a conversation have in common are kept once."""

from typing import Any, Final

from sqlalchemy import and_, select
from sqlalchemy.dialects.postgresql import insert

from server.adapters.store import tables
from server.adapters.store.executor import Row
from server.adapters.store.json_codec import codec
from server.adapters.store.paging import LIMIT, OFFSET
from server.adapters.store.scope import Scope
from server.adapters.store.statement import Owned, found, owned, owned_insert, parameter
from server.adapters.store.times import micros, moment
from server.domain.enclosure import SentFile
from server.domain.errors import ConversationNotFound
from server.domain.generation import GenerationConfig
from server.domain.ids import ConversationId, RunId
from server.domain.message import Usage
from server.domain.model_request import LeftOut, Positions
from server.domain.request_record import OfferedTool, RequestRecord
from server.domain.tokens import Counted
from server.domain.tool import text_digest

_table = tables.model_requests
_c = _table.c
_texts = tables.request_texts
_prompt = _texts.alias("prompt")
_offer = _texts.alias("offer")
_answers = tables.messages
_COUNTED: Final = 8
"""How many requests are looked at for what the provider counts."""

_POSITIONS: Final = codec(Positions)
_LEFT_OUT: Final = codec(LeftOut)
_TOOL: Final = codec(OfferedTool)
_FILE: Final = codec(SentFile)
_GENERATION: Final = codec(GenerationConfig)
_USAGE: Final = codec(Usage)

_CONVERSATION = found(tables.conversations)
_ADD = owned_insert(_table)
_KEEP_TEXT = Owned(insert(_texts).on_conflict_do_nothing(index_elements=[_texts.c.conversation_id, _texts.c.digest]))
_OF_RUN = owned(
    select(
        *(_c.id, _c.conversation_id, _c.run_id, _c.epoch, _c.round, _c.message_id, _c.branch, _c.included, _c.left_out),
        *(_c.compaction_id, _c.compaction_failure, _c.provider, _c.generation, _c.estimated_tokens, _c.plain_tokens),
        *(_c.room, _c.created_at, _c.files, _prompt.c.text, _offer.c.text, _answers.c.usage),
    )
    .select_from(
        _table.outerjoin(
            _prompt, and_(_prompt.c.conversation_id == _c.conversation_id, _prompt.c.digest == _c.system_prompt)
        )
        .outerjoin(_offer, and_(_offer.c.conversation_id == _c.conversation_id, _offer.c.digest == _c.tools))
        .outerjoin(_answers, _answers.c.id == _c.message_id)
    )
    .where(_c.run_id == parameter(_c.run_id))
    .order_by(_c.epoch, _c.round, _c.id)
    .limit(LIMIT)
    .offset(OFFSET),
    _table,
)
_COUNTS = owned(
    select(_c.provider, _c.generation, _c.plain_tokens, _answers.c.usage)
    .select_from(_table.outerjoin(_answers, _answers.c.id == _c.message_id))
    .where(_c.conversation_id == parameter(_c.conversation_id))
    .order_by(_c.id.desc())
    .limit(LIMIT),
    _table,
)


class StoredModelRequests:
    """See `ports.contexts.ModelRequests`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def add(self, record: RequestRecord) -> None:
        """Store a new one. Raises `ConversationNotFound`."""
        if not await self._scope.owns(_CONVERSATION, record.conversation_id):
            raise ConversationNotFound(record.conversation_id)
        prompt = await self._kept(record.conversation_id, record.system_prompt)
        tools = await self._kept(record.conversation_id, _TOOL.dumps_all(record.tools) if record.tools else None)
        await self._scope.fetch(_ADD, **_values(record), system_prompt=prompt, tools=tools)

    async def of_run(self, run_id: RunId, *, offset: int, limit: int) -> list[RequestRecord]:
        """Those of a run in the order in which they were made."""
        return [_record(row) for row in await self._scope.fetch(_OF_RUN, run_id=run_id, offset=offset, limit=limit)]

    async def counts(self, conversation_id: ConversationId, *, provider: str, model: str) -> list[Counted]:
        """What was estimated and what that provider counted for that model, of the newest requests."""
        rows = await self._scope.fetch(_COUNTS, conversation_id=conversation_id, limit=_COUNTED)
        return [
            Counted(plain, _USAGE.loads(usage).prompt_tokens)
            for row_provider, generation, plain, usage in rows
            if usage and row_provider == provider and _GENERATION.loads(generation).model == model
        ]

    async def _kept(self, conversation_id: ConversationId, text: str | None) -> str | None:
        """The digest of a text that is kept now; `None` for none."""
        if not text:
            return None
        digest = text_digest(text)
        await self._scope.insert(_KEEP_TEXT, [{"conversation_id": conversation_id, "digest": digest, "text": text}])
        return digest


def _values(record: RequestRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "conversation_id": record.conversation_id,
        "run_id": record.run_id,
        "epoch": record.epoch,
        "round": record.round,
        "message_id": record.message_id,
        "branch": record.branch,
        "included": _POSITIONS.dumps_all(record.included),
        "left_out": _LEFT_OUT.dumps_all(record.left_out),
        "compaction_id": record.compaction_id,
        "compaction_failure": record.compaction_failure,
        "provider": record.provider,
        "generation": _GENERATION.dumps(record.generation),
        "estimated_tokens": record.estimated_tokens,
        "plain_tokens": record.plain_tokens,
        "room": record.room,
        "created_at": micros(record.created_at),
        "files": _FILE.dumps_all(record.files) if record.files else None,
    }


def _record(row: Row) -> RequestRecord:
    row_id, conversation_id, run_id, epoch, number, message_id, branch, included, left_out, *rest = row
    compaction_id, failure, provider, generation, estimated, plain, room, created, files, prompt, tools, usage = rest
    return RequestRecord(
        id=row_id,
        conversation_id=conversation_id,
        run_id=run_id,
        epoch=epoch,
        round=number,
        message_id=message_id,
        branch=branch,
        included=_POSITIONS.loads_all(included),
        left_out=_LEFT_OUT.loads_all(left_out),
        system_prompt=prompt,
        compaction_id=compaction_id,
        compaction_failure=failure,
        tools=_TOOL.loads_all(tools) if tools else (),
        provider=provider,
        generation=_GENERATION.loads(generation),
        estimated_tokens=estimated,
        plain_tokens=plain,
        room=room,
        created_at=moment(created),
        usage=_USAGE.loads(usage) if usage else None,
        files=_FILE.loads_all(files) if files else (),
    )
