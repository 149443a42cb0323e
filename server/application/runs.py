"""Use cases of runs: send a message, revise one, look, cancel."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from server.application.attaching import Attaching, Looked
from server.application.client_tools import checked
from server.application.conversations import find, lock
from server.application.guard import Guard
from server.application.metering import Meter
from server.application.paging import Page, cut, list_position, list_token
from server.application.repeats import Repeats
from server.application.revisions import Edit, Fork, inherited, locate, start_branch
from server.application.run_log import record
from server.application.run_lookup import as_accepted, find_run
from server.application.run_places import must_wait
from server.application.run_states import begin, cut_off, start_next, user_message, withdraw
from server.application.send_message import SendMessage
from server.domain.conversation import Conversation
from server.domain.errors import FieldViolation, InvalidField, QueueFull, RequestIdReused, ShuttingDown
from server.domain.events import RunQueued
from server.domain.generation import GenerationConfig
from server.domain.history_errors import RunActive
from server.domain.ids import MessageId, RunId
from server.domain.limits import Limits
from server.domain.message import Message, MessageStatus
from server.domain.model import Model
from server.domain.principal import Owner, Principal, RequestKey
from server.domain.run import Lease, Run, RunState
from server.failpoint import failpoint
from server.ports.provider import Models
from server.ports.store import ListPosition, RememberedRequest, Store, Transaction
from server.ports.system import Clock, Ids
from server.ports.tools import ToolSchemas
from server.ports.worker import Worker

__all__ = ["Accepted", "Prepare", "Runs", "SendMessage"]

Prepare = Callable[[Transaction], Awaitable[None]]
"""What happens in the transaction that accepts a message, before it is: what it raises refuses the message."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What an accepted send changed."""

    run: Run
    interrupted: Run | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class _Cancelled:
    """A run that is over, and what its cancellation changed besides."""

    run: Run
    was_active: bool = False
    following: Run | None = None


class Runs:
    """Runs of a caller's conversations."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        models: Models,
        worker: Worker,
        limits: Limits,
        repeats: Repeats,
        guard: Guard,
        meter: Meter,
        schemas: ToolSchemas,
        attaching: Attaching,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._models = models
        self._worker = worker
        self._limits = limits
        self._repeats = repeats
        self._guard = guard
        self._meter = meter
        self._schemas = schemas
        self._attaching = attaching

    async def send(self, principal: Principal, command: SendMessage, *, prepare: Prepare | None = None) -> Run:
        """Accept a message and start its run, or queue it behind the active one; a revision starts a branch and its
        run at once, or not at all. `prepare` may make or check the conversation.

        Returns the run as it was accepted, RUNNING or QUEUED. Raises `ConversationNotFound`, `UnknownModel`,
        `ImagesUnavailable`, `QueueFull`, `TooManyRuns`, `RequestIdReused`, `ShuttingDown`, `InvalidField` for a schema
        of a client's tool that is none and for files with an image, and what `Attaching`, `Guard.check` and
        `Meter.check` raise; for a revision what `revisions.locate` raises, and `RunActive`. Cancelled, it may have been
        accepted; then it is carried out.
        """
        tools = command.options.client_tools
        looked = await self._attaching.look(principal, command.file_ids)
        described = [text for tool in tools for text in (tool.description, tool.input_schema)]
        await self._guard.check(command.content, *described, *looked.texts)
        if tools:
            canonical = await checked(self._schemas, tools, field="client_tools")
            command = replace(command, options=replace(command.options, client_tools=canonical))
        return await self._worker.uninterrupted(self._send(principal, command, looked, prepare))

    async def get(self, owner: Owner, run_id: RunId) -> Run:
        """A run. Raises `RunNotFound`."""
        return await self._store.read(owner, lambda tx: find_run(tx, run_id))

    async def page(self, owner: Owner, key: str, *, page_size: int, page_token: str) -> Page[Run]:
        """Runs of a conversation, the newest first. Raises `ConversationNotFound`."""
        size = page_size or self._limits.default_page

        async def unit(tx: Transaction) -> Page[Run]:
            conversation = await find(tx, key)
            kind = f"runs/{conversation.id}"
            after = list_position(kind, page_token)
            found = await tx.runs.page(conversation.id, limit=size + 1, after=after)
            return cut(found, size, lambda run: list_token(kind, ListPosition(time=run.created_at, id=run.id)))

        return await self._store.read(owner, unit)

    async def cancel(self, principal: Principal, run_id: RunId) -> Run:
        """End a run; one that is over stays as it is. The next one in the queue starts. Raises `RunNotFound`."""
        return await self._worker.uninterrupted(self._end(principal, run_id, RunState.CANCELLED))

    async def interrupt(self, principal: Principal, run_id: RunId) -> Run:
        """As `cancel`, for whoever is about to say something else: the run counts as interrupted."""
        return await self._worker.uninterrupted(self._end(principal, run_id, RunState.INTERRUPTED))

    async def _send(self, principal: Principal, command: SendMessage, looked: Looked, prepare: Prepare | None) -> Run:
        async def unit(tx: Transaction) -> Accepted:
            if prepare is not None:
                repeated = await self._repeated(tx, _request_key(principal, command), self._clock.now())
                if repeated is not None:
                    return Accepted(repeated, repeated=True)
                await prepare(tx)
            return await self._accept(tx, principal, command, looked)

        failpoint("send.parsed")
        accepted = await self._store.write(principal.owner, unit)
        failpoint("send.committed")
        if accepted.repeated:
            return accepted.run
        if accepted.interrupted:
            self._worker.stop(accepted.interrupted)
        if accepted.run.state is RunState.RUNNING:
            self._worker.start(accepted.run)
        return accepted.run

    async def _end(self, principal: Principal, run_id: RunId, state: RunState) -> Run:
        async def unit(tx: Transaction) -> _Cancelled:
            found = await find_run(tx, run_id)
            await tx.conversations.lock_by_id(found.conversation_id)
            run = await find_run(tx, run_id)
            now = self._clock.now()
            if run.state.is_terminal:
                return _Cancelled(run)
            if run.state is RunState.QUEUED:
                return _Cancelled(await withdraw(tx, run, now=now, by=principal) or run)
            ended = await cut_off(tx, run, state=state, now=now, by=principal) or run
            failpoint("cancel.cut_off")
            lease = self._lease_unless_draining()
            following = await start_next(tx, run.conversation_id, lease=lease, now=now) if lease else None
            return _Cancelled(ended, was_active=True, following=following)

        failpoint("cancel.parsed")
        done = await self._repeats.write(
            principal, _Cancelled, unit, of=lambda cancelled: cancelled.run.conversation_id
        )
        failpoint("cancel.committed")
        cancelled = done.result
        if cancelled.was_active and not done.repeated:
            self._worker.stop(cancelled.run)
        if cancelled.following and not done.repeated:
            self._worker.start(cancelled.following)
        return cancelled.run

    async def _accept(self, tx: Transaction, principal: Principal, command: SendMessage, looked: Looked) -> Accepted:
        conversation = await lock(tx, command.conversation_key)
        now = self._clock.now()
        key = _request_key(principal, command)
        repeated = await self._repeated(tx, key, now)
        if repeated is not None:
            return Accepted(repeated, repeated=True)
        fork = await locate(tx, conversation, command.revision) if command.revision else None
        revised = await self._revised(tx, command, fork) if fork else command
        run = self._new_run(principal, conversation, revised, now)
        revised = replace(revised, attachments=await self._attaching.confirmed(tx, looked, run))
        await self._meter.check(tx, run.payer, provider=run.provider, model=run.model)
        if fork:
            accepted = await self._branch_off(tx, conversation, fork, run, revised)
        else:
            accepted = await self._place(tx, conversation, run, revised, self._worker.lease())
        if key is not None:
            await tx.requests.remember(key.id, RememberedRequest(key.fingerprint, accepted.run.id), now=now)
        await self._repeats.account(tx, principal)
        if run.session_id:
            await tx.sessions.touch(run.session_id, now)
        wrote, drew = (None, run.model) if run.options.image else (run.model, None)
        await tx.conversations.touch(conversation.id, now, by=run.user_id, model=wrote, image_model=drew)
        return accepted

    async def _repeated(self, tx: Transaction, key: RequestKey | None, now: datetime) -> Run | None:
        remembered = None if key is None else await self._repeats.found(tx, key, now=now)
        if key is None or remembered is None:
            return None
        if remembered.run_id is None:
            raise RequestIdReused(key.id)
        run = await tx.runs.get(remembered.run_id)
        return None if run is None else as_accepted(run)

    async def _place(
        self, tx: Transaction, conversation: Conversation, run: Run, command: SendMessage, lease: Lease
    ) -> Accepted:
        message = user_message(run, command.content, command.attachments)
        active = await tx.runs.active(conversation.id)
        if await self._must_wait(tx, conversation, run, command, active):
            return Accepted(await self._enqueue(tx, run, message))
        if active:
            await cut_off(tx, active, state=RunState.INTERRUPTED, now=run.created_at, by=run)
        return Accepted(await begin(tx, run, message, lease), interrupted=active)

    async def _branch_off(
        self, tx: Transaction, conversation: Conversation, fork: Fork, run: Run, command: SendMessage
    ) -> Accepted:
        """Start a branch and its run. What a run under way, or one that waits, will say is not known yet, so that
        nothing can be revised behind it: it is ended, or the revision refused."""
        active = await tx.runs.active(conversation.id)
        if await self._must_wait(tx, conversation, run, command, active):
            raise RunActive
        if active:
            await cut_off(tx, active, state=RunState.INTERRUPTED, now=run.created_at, by=run)
        await start_branch(tx, conversation, fork, now=run.created_at, actor=run.actor)
        lease = self._worker.lease()
        if isinstance(command.revision, Edit):
            message = user_message(run, command.content, command.attachments)
            return Accepted(await begin(tx, run, message, lease), interrupted=active)
        again = replace(run, user_message_id=fork.question.id)
        return Accepted(await begin(tx, again, replace(fork.question, branch=None), lease), interrupted=active)

    async def _must_wait(
        self, tx: Transaction, conversation: Conversation, run: Run, command: SendMessage, active: Run | None
    ) -> bool:
        policy = command.interrupt_policy or conversation.settings.interrupt_policy
        return await must_wait(tx, run, policy=policy, active=active, limit=self._limits.runs_per_caller)

    async def _revised(self, tx: Transaction, command: SendMessage, fork: Fork) -> SendMessage:
        taken = await inherited(tx, fork)
        by_session = taken.model_id if command.generation.model is None else None
        is_edit = isinstance(command.revision, Edit)
        return replace(
            command,
            content=command.content if is_edit else fork.question.content,
            session_id=taken.session_id,
            model=self._models.by_id(by_session) if by_session else None,
            # An answer is made anew for want of another one.
            options=replace(taken.options, use_cache=taken.options.use_cache and is_edit),
        )

    async def _enqueue(self, tx: Transaction, run: Run, message: Message) -> Run:
        limit = self._limits.queue_per_conversation
        if await tx.runs.count_queued(run.conversation_id) >= limit:
            raise QueueFull(limit=limit)
        queued = replace(message, status=MessageStatus.QUEUED)
        await tx.messages.enqueue(queued)
        failpoint("send.message_stored")
        await tx.runs.add(run)
        await record(tx, run, [RunQueued(queued)], now=run.created_at)
        return run

    def _new_run(self, principal: Principal, conversation: Conversation, command: SendMessage, now: datetime) -> Run:
        generation = conversation.generation.overridden_by(command.generation)
        model = self._model(command, generation)
        return Run(
            id=RunId(f"run_{self._ids.uuid().hex}"),
            owner=principal.owner,
            conversation_id=conversation.id,
            conversation_key=conversation.key,
            state=RunState.QUEUED,
            user_message_id=MessageId(str(self._ids.uuid())),
            model=model.name,
            provider=model.provider,
            generation=replace(generation, model=model.name),
            created_at=now,
            session_id=command.session_id,
            actor=principal.actor,
            caller=principal.caller,
            options=command.options,
            payer=principal.payer,
        )

    def _model(self, command: SendMessage, generation: GenerationConfig) -> Model:
        """What answers. An image is drawn by the model that the message itself names: the conversation's and the
        session's write."""
        if command.options.image:
            return self._models.resolve_image(command.generation.model)
        return command.model or self._models.resolve(generation.model)

    def _lease_unless_draining(self) -> Lease | None:
        try:
            return self._worker.lease()
        except ShuttingDown:
            return None


def _request_key(principal: Principal, command: SendMessage) -> RequestKey | None:
    """What marks the send: the request id of its message, else that of the call. Raises `InvalidField` for two."""
    if not command.request_id:
        return principal.request_key
    if principal.request_key is not None and principal.request_key.id != command.request_id:
        raise InvalidField([FieldViolation("request_id", "differs from the idempotency key of the call")])
    return RequestKey(command.request_id, command.fingerprint)
