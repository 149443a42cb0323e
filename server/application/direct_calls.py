"""Tools called by people, not by models: at most once for each mark of a caller, whatever dies in between."""

import asyncio
import hashlib
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from server.application.repeats import Repeats
from server.application.tools import Tools
from server.domain.audit import Act, Deed
from server.domain.errors import FieldViolation, InvalidField, RequestIdReused
from server.domain.principal import Owner, Principal, RequestKey
from server.domain.tool import ServerTool, ToolCallState, ToolPolicy
from server.domain.tool_errors import ToolCallUnsettled, ToolForbidden, ToolServerNotReady
from server.ports.store import RememberedRequest, Store, Transaction
from server.ports.system import Clock, Ids
from server.ports.tools import (
    InvalidArguments,
    ToolNotCalled,
    ToolOutcomeUnknown,
    ToolSchemas,
    ToolServers,
)
from server.tasks import OwnTasks


@dataclass(frozen=True, slots=True)
class CallTool:
    """What is to be called."""

    server: str
    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DirectCall:
    """A call and what became of it, as it is stored under its mark: RUNNING is the intent, CLOSED one that never
    left."""

    state: ToolCallState
    started_at: datetime
    result: str = ""
    is_cut: bool = False
    duration: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A marked call that this process is making."""

    fingerprint: str
    outcome: "asyncio.Future[DirectCall]"


class DirectCalls:
    """Calls with a mark are made by tasks of this object, and go on when their caller leaves. Entered with
    `async with`; on leaving they are given up, and stay unsettled."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        repeats: Repeats,
        tools: Tools,
        servers: ToolServers,
        schemas: ToolSchemas,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._repeats = repeats
        self._tools = tools
        self._servers = servers
        self._schemas = schemas
        self._group = OwnTasks()
        self._under_way: dict[tuple[Owner, str], _UnderWay] = {}

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, error, trace)

    async def call(self, principal: Principal, request: CallTool) -> DirectCall:
        """Call a tool; by asking, the caller permits it.

        Raises `UnknownToolServer`, `UnknownTool`, `ToolServerNotReady`, `ToolForbidden`, `InvalidField`: it was not
        called. Raises `RequestIdReused`, and `ToolCallUnsettled`: it was called under the same mark before.
        """
        key = principal.request_key
        if key is None:
            tool, arguments = await self._checked(principal.owner, request)
            await self._store.write(principal.owner, lambda tx: self._repeats.account(tx, principal, _deeds(request)))
            return await self._made(tool, arguments, key=f"direct_{self._ids.uuid().hex}")
        place = (principal.owner, key.id)
        known = self._under_way.get(place) or self._begun(principal, key, request)
        if known.fingerprint != key.fingerprint:
            raise RequestIdReused(key.id)
        return await asyncio.shield(known.outcome)

    def _begun(self, principal: Principal, key: RequestKey, request: CallTool) -> _UnderWay:
        place = (principal.owner, key.id)
        outcome: asyncio.Future[DirectCall] = asyncio.get_running_loop().create_future()
        # A refusal is for whoever waits for it; they may have gone.
        outcome.add_done_callback(lambda done: done.cancelled() or done.exception())
        outcome.add_done_callback(lambda _: self._under_way.pop(place, None))
        begun = self._under_way[place] = _UnderWay(key.fingerprint, outcome)
        task = self._group.create_task(self._tell(outcome, self._marked(principal, key, request)))
        # One that is cancelled before its first step tells nothing.
        task.add_done_callback(lambda _: outcome.cancel())
        return begun

    async def _tell(self, outcome: "asyncio.Future[DirectCall]", call: Coroutine[Any, Any, DirectCall]) -> None:
        """What came of a call, as the outcome: raised here, it would end every other call."""
        try:
            outcome.set_result(await call)
        except asyncio.CancelledError:
            outcome.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - it is raised where the call was asked for
            outcome.set_exception(error)

    async def _marked(self, principal: Principal, key: RequestKey, request: CallTool) -> DirectCall:
        """Intent, call, result: whoever finds an intent without a result knows that the tool may have run."""
        owner = principal.owner
        before = await self._store.read(owner, lambda tx: self._recalled(tx, key))
        if before is not None and _is_settled(before):
            return before
        tool, arguments = await self._checked(owner, request)
        intent = DirectCall(ToolCallState.RUNNING, self._clock.now())

        async def begin(tx: Transaction) -> DirectCall | None:
            found = await self._recalled(tx, key)
            if found is not None and _is_settled(found):
                return found
            if found is not None and found.state is ToolCallState.RUNNING and not tool.is_repeatable:
                raise ToolCallUnsettled(server=tool.server, tool=tool.tool)
            if found is None:
                await self._repeats.account(tx, principal, _deeds(request))
            await self._remember(tx, key, intent)
            return None

        if (settled := await self._store.write(owner, begin)) is not None:
            return settled
        try:
            done = await self._made(tool, arguments, key=_call_key(owner, key))
        except ToolServerNotReady:
            closed = DirectCall(ToolCallState.CLOSED, intent.started_at)
            await self._store.write(owner, lambda tx: self._remember(tx, key, closed))
            raise
        await self._store.write(owner, lambda tx: self._remember(tx, key, done))
        return done

    async def _checked(self, owner: Owner, request: CallTool) -> tuple[ServerTool, Mapping[str, Any]]:
        tool = await self._tools.tool(owner, request.server, request.tool)
        if tool.policy is ToolPolicy.DENY:
            raise ToolForbidden(server=tool.server, tool=tool.tool)
        try:
            return tool, self._schemas.arguments(tool.spec.input_schema, json.dumps(request.arguments))
        except InvalidArguments as error:
            raise InvalidField([FieldViolation("arguments", error.message)]) from error

    async def _made(self, tool: ServerTool, arguments: Mapping[str, Any], *, key: str) -> DirectCall:
        started_at, begun = self._clock.now(), self._clock.monotonic()
        try:
            result = await self._servers.call(tool, arguments, key=key)
        except ToolNotCalled as error:
            raise ToolServerNotReady(error.message, server=tool.server) from error
        except ToolOutcomeUnknown as error:
            duration = timedelta(seconds=self._clock.monotonic() - begun)
            return DirectCall(ToolCallState.UNKNOWN, started_at, error.message, duration=duration)
        state = ToolCallState.FAILED if result.is_error else ToolCallState.SUCCEEDED
        return DirectCall(state, started_at, result.content, result.is_cut, result.duration)

    async def _recalled(self, tx: Transaction, key: RequestKey) -> DirectCall | None:
        if await self._repeats.found(tx, key, now=self._clock.now()) is None:
            return None
        return await tx.requests.recall(key.id, DirectCall)

    async def _remember(self, tx: Transaction, key: RequestKey, call: DirectCall) -> None:
        now = self._clock.now()
        await tx.requests.remember(key.id, RememberedRequest(key.fingerprint), now=now, result=call)


def _deeds(request: CallTool) -> list[Deed]:
    """What the audit is told before a tool is called: which one, and nothing of what it is given."""
    return [Deed(Act.TOOL_CALLED, f"{request.server}/{request.tool}")]


def _is_settled(call: DirectCall) -> bool:
    return call.state not in {ToolCallState.RUNNING, ToolCallState.CLOSED}


def _call_key(owner: Owner, key: RequestKey) -> str:
    """The same for the same mark of the same owner, whichever process makes the call."""
    told = json.dumps([owner.tenant, owner.user, key.id])
    return f"direct_{hashlib.sha256(told.encode()).hexdigest()[:32]}"
