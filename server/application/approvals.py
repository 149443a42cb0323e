"""Use cases of what runs wait for: approvals of tool calls, and results of tools that the client executes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from server.application.conversations import find, lock
from server.application.guard import Guard
from server.application.repeats import Repeats
from server.application.run_log import record
from server.application.run_lookup import find_run
from server.application.run_pauses import wake
from server.application.tool_answers import CallOutcome, ClientResult, ToolDecision, answer, decide
from server.domain.audit import Act, Deed
from server.domain.conversation import Conversation
from server.domain.errors import FieldViolation, InvalidField
from server.domain.events import Payload
from server.domain.ids import ToolCallId
from server.domain.principal import Owner, Principal
from server.domain.run import Run
from server.domain.tool import Approval, ToolCallState, ToolInvocation
from server.domain.tool_call_errors import ToolCallNotFound
from server.failpoint import failpoint
from server.ports.store import Store, Transaction
from server.ports.system import Clock
from server.ports.worker import Worker

Said = TypeVar("Said", ToolDecision, ClientResult)
Apply = Callable[[Transaction, Run, ToolInvocation, Said, datetime], Awaitable[tuple[ToolCallState, list[Payload]]]]


@dataclass(frozen=True, slots=True)
class PendingApproval:
    """A tool call that waits for a person, and the request for it."""

    call: ToolInvocation
    approval: Approval


@dataclass(frozen=True, slots=True)
class Answered:
    """What was said to calls, and what it has changed."""

    run: Run
    """As it is then."""
    outcomes: tuple[CallOutcome, ...]
    resumed: bool = False
    """Whether the run goes on because of it."""


class Approvals:
    """Decisions and results for the runs of a caller."""

    def __init__(self, *, store: Store, clock: Clock, worker: Worker, repeats: Repeats, guard: Guard) -> None:
        self._store = store
        self._clock = clock
        self._worker = worker
        self._repeats = repeats
        self._guard = guard

    async def pending(self, owner: Owner, key: str) -> list[PendingApproval]:
        """What waits for a person in a thread, the oldest request first. Raises `ConversationNotFound`."""

        async def unit(tx: Transaction) -> list[PendingApproval]:
            return await pending_approvals(tx, await find(tx, key))

        return await self._store.read(owner, unit)

    async def decide(self, principal: Principal, key: str, decisions: Sequence[ToolDecision]) -> Answered:
        """Permit calls or deny them, all of them or none, and let the run go on. Once it has begun, cancelling the
        caller undoes nothing.

        Raises `ConversationNotFound`, `ToolCallNotFound`, `ToolCallAlreadyDecided`, `InvalidField` for a call of the
        client's tools, `ShuttingDown`, and what `Guard.check` raises: the reasons are told to the model.
        """
        await self._guard.check(*(decision.reason or "" for decision in decisions))

        async def apply(
            tx: Transaction, run: Run, call: ToolInvocation, decision: ToolDecision, now: datetime
        ) -> tuple[ToolCallState, list[Payload]]:
            if call.is_clients:
                raise _of_another_kind("approvals", decisions.index(decision), "is a call of a tool of the client")
            return await decide(tx, run, call, decision, by=principal.user_id, now=now)

        return await self._worker.uninterrupted(self._answer(principal, key, decisions, apply, _deeds(decisions)))

    async def submit(self, principal: Principal, key: str, results: Sequence[ClientResult]) -> Answered:
        """Give calls of the client's tools their results, all of them or none, and let the run go on. As `decide`,
        with `ToolCallAlreadyEnded`; results are not judged, for nobody but the model sees them."""

        async def apply(
            tx: Transaction, run: Run, call: ToolInvocation, result: ClientResult, now: datetime
        ) -> tuple[ToolCallState, list[Payload]]:
            if call.server is not None:
                raise _of_another_kind("tool_results", results.index(result), "is a call of a server's tool")
            return await answer(tx, run, call, result, now=now)

        return await self._worker.uninterrupted(self._answer(principal, key, results, apply))

    async def _answer(
        self,
        principal: Principal,
        key: str,
        said: Sequence[Said],
        apply: Apply[Said],
        deeds: Sequence[Deed] = (),
    ) -> Answered:
        async def unit(tx: Transaction) -> Answered:
            conversation = await lock(tx, key)
            now = self._clock.now()
            calls = [await _found(tx, conversation, each.call_id) for each in said]
            run = await find_run(tx, calls[0].run_id)
            outcomes, payloads = [], []
            for call, each in zip(calls, said, strict=True):
                state, events = await apply(tx, run, call, each, now)
                outcomes.append(CallOutcome(call.id, state))
                payloads += events
            await record(tx, run, payloads, now=now, by=principal)
            woken = await wake(tx, run, lease=self._worker.lease, now=now, by=principal)
            return Answered(woken, tuple(outcomes), resumed=woken.epoch != run.epoch)

        done = await self._repeats.write(
            principal, Answered, unit, of=lambda answered: answered.run.conversation_id, deeds=lambda _: deeds
        )
        failpoint("approval.committed")
        if done.result.resumed and not done.repeated:
            self._worker.start(done.result.run)
        return done.result


def _deeds(decisions: Sequence[ToolDecision]) -> list[Deed]:
    """What the audit is told of decisions: who permitted or denied which call."""
    acts = {True: Act.TOOL_CALL_APPROVED, False: Act.TOOL_CALL_DENIED}
    return [Deed(acts[decision.approved], decision.call_id) for decision in decisions]


async def pending_approvals(tx: Transaction, conversation: Conversation) -> list[PendingApproval]:
    """What waits for a person in a conversation, the oldest request first."""
    waiting = await tx.tool_calls.of_conversation(conversation.id, ToolCallState.AWAITING_APPROVAL)
    calls = {call.id: call for call in waiting}
    approvals = await tx.approvals.pending(conversation.id) if calls else []
    return [PendingApproval(calls[each.tool_call_id], each) for each in approvals]


async def _found(tx: Transaction, conversation: Conversation, call_id: ToolCallId) -> ToolInvocation:
    call = await tx.tool_calls.get(conversation.id, call_id)
    if call is None:
        raise ToolCallNotFound(call_id)
    return call


def _of_another_kind(field: str, place: int, what: str) -> InvalidField:
    return InvalidField([FieldViolation(f"{field}[{place}].tool_call_id", what)])
