"""Makes the tool calls of a run that may be made now: each has its intent stored before it leaves, its result after.

What happens between the two to this process or to the run leaves a call whose outcome nobody knows; it is made again
only if the operator says that it may be.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import structlog

from server.application.run_log import record
from server.application.tool_call_states import end_call, save
from server.application.tool_intent import intend
from server.domain import tool_texts
from server.domain.errors import StoreUnavailable
from server.domain.events import Payload
from server.domain.ids import ApprovalId
from server.domain.limits import Limits
from server.domain.run import Run
from server.domain.tool import ServerTool, ToolCallState, ToolInvocation
from server.engine.delta_log import hold
from server.engine.toolbox import Toolbox, ToolGone
from server.failpoint import failpoint
from server.ports.store import Store, Transaction
from server.ports.system import Clock
from server.ports.tools import (
    InvalidArguments,
    ToolNotCalled,
    ToolOutcomeUnknown,
    ToolSchemas,
    ToolServers,
    ToolServerUnavailable,
)

_log = structlog.get_logger(__name__)
_PAUSES: Final = (0.1, 0.3, 1.0, 2.0)
"""Seconds between the tries to store a result; together shorter than a lease."""
_NOT_MADE = (ToolGone, ToolServerUnavailable, InvalidArguments)


@dataclass(frozen=True, slots=True)
class _Ending:
    """What a call comes to."""

    state: ToolCallState
    text: str
    duration: timedelta | None = None


class ToolExecution:
    """Executes calls, several at a time. Keeps nothing between calls."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        limits: Limits,
        servers: ToolServers,
        schemas: ToolSchemas,
        toolbox: Toolbox,
        new_id: Callable[[], ApprovalId],
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._servers = servers
        self._schemas = schemas
        self._toolbox = toolbox
        self._new_id = new_id

    async def execute(self, run: Run, calls: Sequence[ToolInvocation]) -> None:
        """Make calls that are READY. Afterwards each has its result, or waits for a person again.

        May be cancelled at any moment. Raises `RunLost`, `StoreUnavailable`.
        """
        places = asyncio.Semaphore(self._limits.tool_calls_at_once)

        async def make(call: ToolInvocation) -> None:
            async with places:
                await self._make(run, call)

        try:
            async with asyncio.TaskGroup() as group:
                for call in calls:
                    group.create_task(make(call))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def settle(self, run: Run, calls: Sequence[ToolInvocation]) -> None:
        """Decide about calls that an earlier attempt was making when it ended: what may be repeated is READY again, of
        the others the outcome is unknown. Raises `RunLost`, `StoreUnavailable`."""

        async def unit(tx: Transaction) -> None:
            await hold(tx, run)
            now = self._clock.now()
            payloads: list[Payload] = []
            for call in calls:
                if call.is_repeatable:
                    await save(tx, replace(call, state=ToolCallState.READY), call)
                else:
                    unknown = tool_texts.OUTCOME_UNKNOWN
                    payloads += await end_call(tx, run, call, ToolCallState.UNKNOWN, unknown, now=now)
            await record(tx, run, payloads, now=now)
            failpoint("tool.settling")

        await self._store.write(run.owner, unit)

    async def _make(self, run: Run, call: ToolInvocation) -> None:
        try:
            tool = await self._toolbox.tool(run, call)
            arguments = self._schemas.arguments(tool.spec.input_schema, call.arguments)
        except _NOT_MADE as not_made:
            await self._end(run, call, _refused(not_made.message))
            return
        intended = await self._intend(run, call, tool)
        if intended is not None:
            failpoint("tool.intent")
            await self._end(run, intended, await self._called(run, intended, tool, arguments))
            failpoint("tool.stored")

    async def _called(self, run: Run, call: ToolInvocation, tool: ServerTool, arguments: Mapping[str, Any]) -> _Ending:
        began = self._clock.monotonic()
        try:
            result = await self._servers.call(tool, arguments, key=call.id)
        except ToolNotCalled as error:
            return _refused(error.message)
        except ToolOutcomeUnknown as error:
            _log.warning("tool_outcome_unknown", run=run.id, call=call.id, server=tool.server, cause=error.message)
            return _Ending(ToolCallState.UNKNOWN, tool_texts.unknown_because(error.message))
        failpoint("tool.called")
        duration = timedelta(seconds=self._clock.monotonic() - began)
        if result.is_error:
            return _Ending(ToolCallState.FAILED, tool_texts.error(result.content), duration)
        return _Ending(ToolCallState.SUCCEEDED, result.content, duration)

    async def _intend(self, run: Run, call: ToolInvocation, tool: ServerTool) -> ToolInvocation | None:
        async def unit(tx: Transaction) -> ToolInvocation | None:
            await hold(tx, run)
            now = self._clock.now()
            expires_at = now + self._limits.approval_lifetime
            return await intend(tx, run, call, tool, now=now, expires_at=expires_at, new_id=self._new_id)

        return await self._store.write(run.owner, unit)

    async def _end(self, run: Run, call: ToolInvocation, ending: _Ending) -> None:
        """Store a call's result, unless it has one: then somebody ended it meanwhile. What a tool has done is worth
        more than one try: nobody could find it out again."""

        async def unit(tx: Transaction) -> None:
            await hold(tx, run)
            current = await tx.tool_calls.get(run.conversation_id, call.id)
            if current is None or current.state is not call.state:
                return
            now = self._clock.now()
            payloads = await end_call(tx, run, current, ending.state, ending.text, now=now, duration=ending.duration)
            await tx.runs.settle(run.id, epoch=run.epoch)
            await record(tx, run, payloads, now=now)
            failpoint("tool.result")

        for pause in _PAUSES if call.intent_epoch is not None else ():
            try:
                return await self._store.write(run.owner, unit)
            except StoreUnavailable as unavailable:
                _log.warning("tool_result_not_stored", run=run.id, call=call.id, cause=unavailable.message)
                await self._clock.sleep(pause)
        return await self._store.write(run.owner, unit)


def _refused(why: str) -> _Ending:
    return _Ending(ToolCallState.REFUSED, tool_texts.not_made(why))
