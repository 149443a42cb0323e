"""Runs of the owner's conversations. Every change is one statement that names epoch and states it applies to."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    bindparam,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    text,
    update,
)

from server.adapters.store import predicates, tables
from server.adapters.store.columns import STRING
from server.adapters.store.crowds import crowd
from server.adapters.store.executor import Row
from server.adapters.store.json_codec import codec
from server.adapters.store.paging import LIMIT, list_parameters, listed_after
from server.adapters.store.scope import Scope
from server.adapters.store.statement import found, owned, owned_insert, parameter
from server.adapters.store.times import micros, micros_or_none, moment, moment_or_none
from server.domain.errors import ConversationNotFound
from server.domain.generation import GenerationConfig
from server.domain.ids import ConversationId, RunId
from server.domain.message import Usage
from server.domain.principal import Owner
from server.domain.run import Crowd, Lease, Run, RunError, RunOptions, RunState
from server.domain.spending import NOBODY, Payer
from server.ports.store import ListPosition

_table = tables.runs
_c = _table.c
_messages = tables.messages.c
_COLUMNS: Final = (
    *(_c.id, _c.tenant, _c.owner, _c.conversation_id, _c.conversation_key, _c.state, _c.user_message_id, _c.model),
    *(_c.provider, _c.generation, _c.created_at, _c.epoch, _c.lease_worker, _c.lease_until, _c.session_id, _c.actor),
    *(_c.started_at, _c.ended_at, _c.error, _c.usage, _c.options, _c.rounds, _c.settled_epoch),
    _c.payer,
    _c.caller,
)
_GENERATION: Final = codec(GenerationConfig)
_ERROR: Final = codec(RunError)
_USAGE: Final = codec(Usage)
_OPTIONS: Final = codec(RunOptions)
_PAYER: Final = codec(Payer)

_is_active = text(predicates.IS_ACTIVE)
_is_parked = text(predicates.IS_PARKED)
_is_queued = text(predicates.IS_QUEUED)
_RUNNING: Final[ColumnElement[str]] = literal_column(f"'{RunState.RUNNING}'")
_QUEUED: Final[ColumnElement[str]] = literal_column(f"'{RunState.QUEUED}'")
_one = _c.id == bindparam("run_id")
_now = bindparam("now", type_=BigInteger)
_worker = bindparam("worker", type_=STRING)
_until = bindparam("until", type_=BigInteger)
_new_state = parameter(_c.state, "new_state")
_of_epoch = _c.epoch == bindparam("of_epoch", type_=BigInteger)
_of_conversation = _c.conversation_id == parameter(_c.conversation_id)

_CONVERSATION = found(tables.conversations)
_TICKET = owned(select(_messages.ticket).where(_messages.id == parameter(_messages.id)), tables.messages)
_ADD = owned_insert(_table)
_GET = owned(select(*_COLUMNS).where(_one), _table)
_ACTIVE = owned(select(*_COLUMNS).where(_of_conversation, _is_active), _table)
_NEXT_QUEUED = owned(
    select(*_COLUMNS).where(_of_conversation, _is_queued).order_by(_c.ticket, _c.created_at, _c.id).limit(LIMIT), _table
)
_COUNT_QUEUED = owned(select(func.count()).select_from(_table).where(_of_conversation, _is_queued), _table)
_PAGE = owned(
    select(*_COLUMNS)
    .where(_of_conversation, listed_after(_c.created_at, _c.id))
    .order_by(_c.created_at.desc(), _c.id.desc())
    .limit(LIMIT),
    _table,
)

_PARK = owned(
    update(_table)
    .where(_one, _of_epoch, _c.state == _RUNNING)
    .values(state=_new_state, lease_worker=null(), lease_until=literal_column("0"))
    .returning(_c.id),
    _table,
)
_MOVE = owned(
    update(_table).where(_one, _of_epoch, _is_parked).values(state=_new_state).returning(_c.id),
    _table,
)
_RESUME = owned(
    update(_table)
    .where(_one, _of_epoch, _is_parked)
    .values(
        state=_RUNNING,
        epoch=_c.epoch + literal_column("1"),
        settled_epoch=_c.epoch,
        lease_worker=_worker,
        lease_until=_until,
    )
    .returning(*_COLUMNS),
    _table,
)
_SETTLE = owned(
    update(_table)
    .where(_one, _of_epoch, _c.state == _RUNNING)
    .values(
        settled_epoch=_c.epoch - literal_column("1"),
        rounds=func.coalesce(bindparam("new_rounds", type_=Integer), _c.rounds),
        usage=func.coalesce(parameter(_c.usage, "new_usage"), _c.usage),
    )
    .returning(_c.id),
    _table,
)
_other = _table.alias("other")
_conversation_is_idle = ~exists().where(
    _other.c.conversation_id == _c.conversation_id, text(f"other.{predicates.IS_ACTIVE}")
)
_lease_is_free = or_(_c.lease_until <= _now, _c.lease_worker == _worker)
_CLAIM = owned(
    update(_table)
    .where(
        _one,
        _of_epoch,
        or_((_c.state == _QUEUED) & _conversation_is_idle, (_c.state == _RUNNING) & _lease_is_free),
    )
    .values(
        state=_RUNNING,
        epoch=_c.epoch + literal_column("1"),
        lease_worker=_worker,
        lease_until=_until,
        started_at=func.coalesce(_c.started_at, _now),
    )
    .returning(*_COLUMNS),
    _table,
)
# Conversation first, then run: the order in which every unit takes these locks.
_HOLD = owned(
    select(_c.id)
    .select_from(tables.conversations.join(_table, tables.conversations.c.id == _c.conversation_id))
    .where(_one, _of_epoch, _c.state == _RUNNING)
    .with_for_update(),
    _table,
)
_END = owned(
    update(_table)
    .where(_one, _of_epoch, or_(_is_queued, _is_active))
    .values(
        state=_new_state,
        ended_at=_now,
        error=parameter(_c.error, "new_error"),
        usage=parameter(_c.usage, "new_usage"),
        lease_worker=null(),
        lease_until=literal_column("0"),
    )
    .returning(_c.id),
    _table,
)


class StoredRuns:
    """See `ports.store.Runs`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def add(self, run: Run) -> None:
        """Store a new run. Raises `ConversationNotFound`; `RowRefused` beside another active run."""
        if not await self._scope.owns(_CONVERSATION, run.conversation_id):
            raise ConversationNotFound(run.conversation_key)
        ticket = await self._ticket(run) if run.state is RunState.QUEUED else 0
        await self._scope.fetch(_ADD, **_values(run), ticket=ticket)
        self._scope.known.add(run.id)

    async def get(self, run_id: RunId) -> Run | None:
        """The run of that id."""
        return _first(await self._scope.fetch_one(_GET, run_id=run_id))

    async def active(self, conversation_id: ConversationId) -> Run | None:
        """The one active run of a conversation."""
        return _first(await self._scope.fetch_one(_ACTIVE, conversation_id=conversation_id))

    async def next_queued(self, conversation_id: ConversationId) -> Run | None:
        """The queued run whose message was accepted first."""
        return _first(await self._scope.fetch_one(_NEXT_QUEUED, conversation_id=conversation_id, limit=1))

    async def count_queued(self, conversation_id: ConversationId) -> int:
        """How many runs wait."""
        rows = await self._scope.fetch(_COUNT_QUEUED, conversation_id=conversation_id)
        return int(rows[0][0])

    async def crowd(self, run: Run) -> Crowd:
        """Who waits in the run's conversation, and runs of its caller elsewhere."""
        return await crowd(self._scope, run)

    async def page(self, conversation_id: ConversationId, *, limit: int, after: ListPosition | None) -> list[Run]:
        """By `created_at` then id, both descending."""
        rows = await self._scope.fetch(_PAGE, conversation_id=conversation_id, **list_parameters(limit, after))
        return [_run(row) for row in rows]

    async def claim(self, run_id: RunId, *, expected_epoch: int, lease: Lease, now: datetime) -> Run | None:
        """Take a run of that epoch: a QUEUED one of an idle conversation, or a RUNNING one whose lease has ended or is
        the claimer's own."""
        claimed = await self._scope.fetch_one(
            _CLAIM,
            run_id=run_id,
            of_epoch=expected_epoch,
            worker=lease.worker,
            until=micros(lease.until),
            now=micros(now),
        )
        return _first(claimed)

    async def hold(self, run_id: RunId, *, epoch: int) -> bool:
        """Whether the run is RUNNING in that epoch; if so it and its conversation are locked."""
        return await self._scope.fetch_one(_HOLD, run_id=run_id, of_epoch=epoch) is not None

    async def park(self, run_id: RunId, *, epoch: int, state: RunState) -> bool:
        """Let a RUNNING run of that epoch wait in a parked state, held by nobody."""
        row = await self._scope.fetch_one(_PARK, run_id=run_id, of_epoch=epoch, new_state=_parked(state))
        return row is not None

    async def move(self, run_id: RunId, *, epoch: int, state: RunState) -> bool:
        """Let a parked run of that epoch wait for something else."""
        row = await self._scope.fetch_one(_MOVE, run_id=run_id, of_epoch=epoch, new_state=_parked(state))
        return row is not None

    async def resume(self, run_id: RunId, *, expected_epoch: int, lease: Lease) -> Run | None:
        """Make a parked run of that epoch RUNNING in the next one, its first attempt to go on."""
        until = micros(lease.until)
        return _first(
            await self._scope.fetch_one(
                _RESUME, run_id=run_id, of_epoch=expected_epoch, worker=lease.worker, until=until
            )
        )

    async def settle(self, run_id: RunId, *, epoch: int, rounds: int | None = None, usage: Usage | None = None) -> bool:
        """Note that a RUNNING run of that epoch has stored a step."""
        spent = _USAGE.dumps(usage) if usage else None
        settled = await self._scope.fetch_one(
            _SETTLE, run_id=run_id, of_epoch=epoch, new_rounds=rounds, new_usage=spent
        )
        return settled is not None

    async def end(
        self,
        run_id: RunId,
        *,
        epoch: int,
        state: RunState,
        now: datetime,
        error: RunError | None = None,
        usage: Usage | None = None,
    ) -> bool:
        """Move a run of that epoch that is not over to a terminal state and drop its lease."""
        ended = await self._scope.fetch_one(
            _END,
            run_id=run_id,
            of_epoch=epoch,
            new_state=state.value,
            new_error=_ERROR.dumps(error) if error else None,
            new_usage=_USAGE.dumps(usage) if usage else None,
            now=micros(now),
        )
        return ended is not None

    async def _ticket(self, run: Run) -> int:
        """The one that the run's message drew; 0 when it did not have to wait."""
        row = await self._scope.fetch_one(_TICKET, id=run.user_message_id)
        return int(row[0] or 0) if row else 0


def _parked(state: RunState) -> str:
    if not state.is_parked:
        raise ValueError(f"no run waits in the state {state}")
    return state.value


def _values(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "conversation_id": run.conversation_id,
        "conversation_key": run.conversation_key,
        "state": run.state.value,
        "user_message_id": run.user_message_id,
        "model": run.model,
        "provider": run.provider,
        "generation": _GENERATION.dumps(run.generation),
        "created_at": micros(run.created_at),
        "epoch": run.epoch,
        "lease_worker": run.lease.worker if run.lease else None,
        "lease_until": micros(run.lease.until) if run.lease else 0,
        "session_id": run.session_id,
        "actor": run.actor,
        "started_at": micros_or_none(run.started_at),
        "ended_at": micros_or_none(run.ended_at),
        "error": _ERROR.dumps(run.error) if run.error else None,
        "usage": _USAGE.dumps(run.usage) if run.usage else None,
        "options": _OPTIONS.dumps(run.options),
        "rounds": run.rounds,
        "settled_epoch": run.settled_epoch,
        "payer": None if run.payer == NOBODY else _PAYER.dumps(run.payer),
        "caller": run.caller,
    }


def _first(row: Row | None) -> Run | None:
    return None if row is None else _run(row)


def _run(row: Row) -> Run:
    (run_id, tenant, owner, conversation_id, key, state, user_message_id, model, provider, generation, *rest) = row
    created, epoch, worker, until, session_id, actor, started, ended, error, usage, options, rounds, settled, *more = (
        rest
    )
    payer, caller = more
    return Run(
        id=run_id,
        owner=Owner(tenant, owner),
        conversation_id=conversation_id,
        conversation_key=key,
        state=RunState(state),
        user_message_id=user_message_id,
        model=model,
        provider=provider,
        generation=_GENERATION.loads(generation),
        created_at=moment(created),
        epoch=epoch,
        lease=Lease(worker, moment(until)) if worker else None,
        session_id=session_id,
        actor=actor,
        started_at=moment_or_none(started),
        ended_at=moment_or_none(ended),
        error=_ERROR.loads(error) if error else None,
        usage=_USAGE.loads(usage) if usage else None,
        options=_OPTIONS.loads(options),
        rounds=rounds,
        settled_epoch=settled,
        payer=_PAYER.loads(payer) if payer else NOBODY,
        caller=caller,
    )
