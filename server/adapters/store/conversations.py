"""Conversations of the transaction's owner."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, case, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from server.adapters.store import predicates, tables
from server.adapters.store.executor import Row
from server.adapters.store.json_codec import codec
from server.adapters.store.paging import LIMIT, OFFSET, list_parameters, listed_after
from server.adapters.store.scope import Scope
from server.adapters.store.statement import Owned, owned, owned_copy, parameter
from server.adapters.store.times import micros, micros_or_none, moment, moment_or_none
from server.domain.branch import ORIGINAL
from server.domain.conversation import ContextManagement, Conversation, ConversationSummary, Settings
from server.domain.errors import ConversationKeyTaken
from server.domain.generation import GenerationConfig
from server.domain.ids import ConversationId, OrganizationId, UserId
from server.domain.principal import Owner
from server.domain.run import RunState
from server.ports.store import ListPosition

_table = tables.conversations
_c = _table.c
COLUMNS: Final = (
    *(_c.id, _c.tenant, _c.owner, _c.key, _c.name, _c.created_at, _c.updated_at, _c.archived, _c.organization_id),
    *(_c.settings, _c.generation, _c.context_management, _c.last_sequence, _c.model, _c.image_model, _c.summary),
    *(_c.branch, _c.assistant_id, _c.created_by, _c.updated_by, _c.accessed_by, _c.accessed_at),
)
_SETTINGS: Final = codec(Settings)
_GENERATION: Final = codec(GenerationConfig)
_CONTEXT: Final = codec(ContextManagement)


_by_key = select(*COLUMNS).where(_c.key == parameter(_c.key))
_by_id = select(*COLUMNS).where(_c.id == parameter(_c.id))
_BY_KEY = owned(_by_key, _table)
_BY_ID = owned(_by_id, _table)
_LOCK_BY_KEY = owned(_by_key.with_for_update(), _table)
_LOCK_BY_ID = owned(_by_id.with_for_update(), _table)

# Nothing is done when the key is taken: an error would end the whole transaction on PostgreSQL.
_ADD = Owned(insert(_table).on_conflict_do_nothing(index_elements=[_c.tenant, _c.owner, _c.key]).returning(_c.id))

_active_state = (
    select(tables.runs.c.state)
    .where(tables.runs.c.conversation_id == _c.id, text(predicates.IS_ACTIVE))
    .correlate(_table)
    .scalar_subquery()
)
_SUMMARY = owned(select(*COLUMNS, _active_state).where(_c.key == parameter(_c.key)), _table)
_page = (
    select(*COLUMNS, _active_state)
    .where(listed_after(_c.updated_at, _c.id))
    .order_by(_c.updated_at.desc(), _c.id.desc())
    .limit(LIMIT)
)
_PAGE = owned(_page, _table)
_unarchived = text("archived = 0")
_PAGE_UNARCHIVED = owned(_page.where(_unarchived), _table)
_SLICE = owned(
    select(*COLUMNS).where(_unarchived).order_by(_c.updated_at.desc(), _c.id.desc()).limit(LIMIT).offset(OFFSET),
    _table,
)
_COUNT = owned(select(func.count()).select_from(_table).where(_unarchived), _table)

_in_organization = _c.organization_id == parameter(_c.organization_id)
_by_age = select(*COLUMNS).order_by(_c.created_at.desc(), _c.id.desc())
_OF_ORGANIZATION = owned(_by_age.where(_in_organization), _table)
_OF_ORGANIZATION_OR_NONE = owned(_by_age.where(or_(_in_organization, _c.organization_id.is_(None))), _table)

_one = _c.id == bindparam("conversation_id")
_SAVE = owned(
    update(_table)
    .where(_one)
    .values(
        name=parameter(_c.name, "new_name"),
        archived=parameter(_c.archived, "new_archived"),
        settings=parameter(_c.settings, "new_settings"),
        generation=parameter(_c.generation, "new_generation"),
        context_management=parameter(_c.context_management, "new_context"),
        model=parameter(_c.model, "new_model"),
        summary=parameter(_c.summary, "new_summary"),
        updated_at=parameter(_c.updated_at, "now"),
        updated_by=parameter(_c.updated_by, "by"),
    ),
    _table,
)
_now = parameter(_c.updated_at, "now")
_TOUCH = owned(
    update(_table)
    .where(_one)
    .values(
        # Never back, whatever the clocks of several processes do: see `application.conversations.save`.
        updated_at=case((_c.updated_at > _now, _c.updated_at), else_=_now),
        updated_by=parameter(_c.updated_by, "by"),
        model=func.coalesce(parameter(_c.model, "new_model"), _c.model),
        image_model=func.coalesce(parameter(_c.image_model, "new_image_model"), _c.image_model),
    ),
    _table,
)
_RECORD_ACCESS = owned(
    update(_table)
    .where(_one)
    .values(accessed_at=parameter(_c.accessed_at, "now"), accessed_by=parameter(_c.accessed_by, "by")),
    _table,
)
_DELETE = owned(delete(_table).where(_one), _table)
# Told to whoever is told of events, if anybody is: see `outbox`.
_TELL = owned_copy(
    tables.event_removals,
    ["conversation_id", "tenant", "owner"],
    select(_c.id, _c.tenant, _c.owner)
    .join_from(_table, tables.event_publisher, text(predicates.IS_WANTED))
    .where(_one),
    _table,
)


class StoredConversations:
    """See `ports.store.Conversations`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def add(self, conversation: Conversation) -> None:
        """Store a new one. Raises `ConversationKeyTaken`."""
        added = await self._scope.fetch(
            _ADD,
            id=conversation.id,
            key=conversation.key,
            name=conversation.name,
            archived=int(conversation.archived),
            organization_id=conversation.organization_id,
            settings=_SETTINGS.dumps(conversation.settings),
            generation=_GENERATION.dumps(conversation.generation),
            context_management=_CONTEXT.dumps(conversation.context_management),
            created_at=micros(conversation.created_at),
            updated_at=micros(conversation.updated_at),
            last_position=0,
            last_ticket=0,
            last_sequence=0,
            branch=ORIGINAL,
            model=conversation.model,
            image_model=conversation.image_model,
            summary=conversation.summary,
            assistant_id=conversation.assistant_id,
            created_by=conversation.created_by,
            updated_by=conversation.updated_by,
            accessed_by=conversation.accessed_by,
            accessed_at=micros_or_none(conversation.accessed_at),
        )
        if not added:
            raise ConversationKeyTaken(conversation.key)
        self._scope.known.add(conversation.id)

    async def get(self, key: str) -> Conversation | None:
        """The one of that key."""
        return self._known(await self._scope.fetch_one(_BY_KEY, key=key))

    async def summary(self, key: str) -> ConversationSummary | None:
        """The one of that key, with what it is doing."""
        row = await self._scope.fetch_one(_SUMMARY, key=key)
        return None if row is None else _summary(row)

    async def by_id(self, conversation_id: ConversationId) -> Conversation | None:
        """The one of that id."""
        return self._known(await self._scope.fetch_one(_BY_ID, id=conversation_id))

    async def lock(self, key: str) -> Conversation | None:
        """As `get`, locked. While there is none, the key itself is locked against units that would make it."""
        found = await self._scope.fetch_one(_LOCK_BY_KEY, key=key)
        if found is None:
            await self._scope.lock_name("conversation", key)
            found = await self._scope.fetch_one(_LOCK_BY_KEY, key=key)
        return self._known(found)

    async def lock_by_id(self, conversation_id: ConversationId) -> Conversation | None:
        """As `by_id`, locked."""
        return self._known(await self._scope.fetch_one(_LOCK_BY_ID, id=conversation_id))

    async def page(
        self, *, include_archived: bool, limit: int | None, after: ListPosition | None
    ) -> list[ConversationSummary]:
        """By `updated_at` then id, both descending."""
        statement = _PAGE if include_archived else _PAGE_UNARCHIVED
        rows = await self._scope.fetch(statement, **list_parameters(limit, after))
        return [_summary(row) for row in rows]

    async def slice(self, *, offset: int, limit: int) -> list[Conversation]:
        """A window of those that are not archived, by `updated_at` then id, both descending."""
        rows = await self._scope.fetch(_SLICE, offset=offset, limit=limit)
        return [conversation_of(row) for row in rows]

    async def count(self) -> int:
        """How many are not archived."""
        row = await self._scope.fetch_one(_COUNT)
        return int(row[0]) if row else 0

    async def of_organization(self, organization_id: OrganizationId, *, include_unassigned: bool) -> list[Conversation]:
        """By `created_at` then id, both descending."""
        statement = _OF_ORGANIZATION_OR_NONE if include_unassigned else _OF_ORGANIZATION
        rows = await self._scope.fetch(statement, organization_id=organization_id)
        return [conversation_of(row) for row in rows]

    async def save(self, conversation: Conversation) -> None:
        """Overwrite what may change."""
        await self._scope.fetch(
            _SAVE,
            conversation_id=conversation.id,
            new_name=conversation.name,
            new_archived=int(conversation.archived),
            new_settings=_SETTINGS.dumps(conversation.settings),
            new_generation=_GENERATION.dumps(conversation.generation),
            new_context=_CONTEXT.dumps(conversation.context_management),
            new_model=conversation.model,
            new_summary=conversation.summary,
            now=micros(conversation.updated_at),
            by=conversation.updated_by,
        )

    async def touch(
        self,
        conversation_id: ConversationId,
        now: datetime,
        *,
        by: UserId,
        model: str | None = None,
        image_model: str | None = None,
    ) -> None:
        """Set `updated_at` unless it is later, `updated_by` and, when they are given, model and image model."""
        values = {"now": micros(now), "by": by, "new_model": model, "new_image_model": image_model}
        await self._scope.fetch(_TOUCH, conversation_id=conversation_id, **values)

    async def record_access(self, conversation_id: ConversationId, now: datetime, *, by: UserId) -> None:
        """Set `accessed_at` and `accessed_by`."""
        await self._scope.fetch(_RECORD_ACCESS, conversation_id=conversation_id, now=micros(now), by=by)

    async def delete(self, conversation_id: ConversationId) -> None:
        """Destroy it; the database destroys what refers to it."""
        self._scope.known.discard(conversation_id)
        await self._scope.insert(_TELL, [{"conversation_id": conversation_id}])
        await self._scope.fetch(_DELETE, conversation_id=conversation_id)

    def _known(self, row: Row | None) -> Conversation | None:
        if row is None:
            return None
        conversation = conversation_of(row)
        self._scope.known.add(conversation.id)
        return conversation


def conversation_of(row: Row) -> Conversation:
    """The conversation of a row of `COLUMNS`."""
    row_id, tenant, owner, key, name, created, updated, archived, organization_id, *rest = row
    settings, generation, context, last_sequence, model, image_model, summary, branch, assistant_id, *who = rest
    created_by, updated_by, accessed_by, accessed_at = who
    return Conversation(
        id=row_id,
        owner=Owner(tenant, owner),
        key=key,
        name=name,
        created_at=moment(created),
        updated_at=moment(updated),
        archived=bool(archived),
        organization_id=organization_id,
        settings=_SETTINGS.loads(settings),
        generation=_GENERATION.loads(generation),
        context_management=_CONTEXT.loads(context),
        last_sequence=last_sequence,
        branch=branch,
        model=model,
        image_model=image_model,
        summary=summary,
        assistant_id=assistant_id,
        created_by=created_by,
        updated_by=updated_by,
        accessed_by=accessed_by,
        accessed_at=moment_or_none(accessed_at),
    )


def _summary(row: Row) -> ConversationSummary:
    *columns, state = row
    return ConversationSummary(conversation_of(columns), RunState(state) if state else None)
