"""One attempt of a run, round by round: asks the model, has the tools called that it asks for, and asks again, until it
answers without, or has to wait.

What is to be done next is read from the ledger alone, so that an attempt goes on where the last one ended, or where a
person's decision let the run go on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from server.application.held_contents import Holding
from server.application.metering import Bill
from server.application.run_pauses import park
from server.application.tool_offer import Offer
from server.application.tool_requests import ToolRequests
from server.application.tool_rounds import store_round
from server.domain.conversation import Settings
from server.domain.ids import ApprovalId
from server.domain.limits import Limits
from server.domain.run import Run, RunError, RunState
from server.domain.tool import ToolCallState, ToolInvocation
from server.engine.answer import Answer, message_of
from server.engine.delta_log import RunLost, hold
from server.engine.tool_execution import ToolExecution
from server.engine.toolbox import Toolbox
from server.failpoint import failpoint
from server.ports.store import Store, Transaction
from server.ports.system import Clock


@dataclass(slots=True)
class Attempt:
    """An attempt of a run while it goes on."""

    run: Run
    """As it is stored."""
    bill: Bill
    answer: Answer
    """The one that is being given."""
    holding: Holding
    """What its request holds of files."""
    said: int = 0
    """Bytes of the answers before that one, in UTF-8."""
    is_parked: bool = False
    """Whether it is over because the run waits."""
    wants_memories: bool = False
    """Whether memories are to be taken from what was said."""


Ask = Callable[[Attempt, Offer], Awaitable[RunError | None]]
"""Asks the model once and lets the attempt's answer grow; returns why it failed, if it did."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where a run stands."""

    settings: Settings
    open_calls: list[ToolInvocation]

    def of(self, state: ToolCallState) -> list[ToolInvocation]:
        return [call for call in self.open_calls if call.state is state]


class Rounds:
    """Plays rounds. Keeps nothing between calls."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        limits: Limits,
        toolbox: Toolbox,
        requests: ToolRequests,
        execution: ToolExecution,
        new_id: Callable[[], ApprovalId],
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._toolbox = toolbox
        self._requests = requests
        self._execution = execution
        self._new_id = new_id

    async def play(self, attempt: Attempt, ask: Ask, new_answer: Callable[[Run], Answer]) -> RunError | None:
        """Go on until the model has given its last answer, which is not stored then, or the run is parked; returns why
        it failed, if it did.

        May be cancelled at any moment; what is stored stays. Raises `RunLost`, `StoreUnavailable` and what `ask` does.
        """
        while True:
            standing = await self._standing(attempt.run)
            if lost := standing.of(ToolCallState.RUNNING):
                await self._execution.settle(attempt.run, lost)
            elif ready := standing.of(ToolCallState.READY):
                await self._execution.execute(attempt.run, ready)
            elif standing.open_calls:
                attempt.is_parked = await self._park(attempt.run)
                if attempt.is_parked:
                    return None
            else:
                offer = await self._toolbox.offer(attempt.run, standing.settings)
                error = await ask(attempt, offer)
                if error is not None or not attempt.answer.calls:
                    return error
                if not offer.is_open:
                    return RunError("TOOL_ROUNDS_EXHAUSTED", _exhausted(self._limits.tool_rounds))
                attempt.run = await self._store_round(attempt, offer)
                attempt.said += attempt.answer.size
                attempt.answer = new_answer(attempt.run)

    async def _standing(self, run: Run) -> _Standing:
        """Where the run stands. Raises `RunLost`: one that was ended elsewhere is not worth its tokens."""

        async def unit(tx: Transaction) -> _Standing:
            current = await tx.runs.get(run.id)
            conversation = await tx.conversations.by_id(run.conversation_id)
            if conversation is None or current is None or (current.state, current.epoch) != (run.state, run.epoch):
                raise RunLost
            return _Standing(conversation.settings, await tx.tool_calls.open(run.id) if current.rounds else [])

        return await self._store.read(run.owner, unit)

    async def _park(self, run: Run) -> bool:
        async def unit(tx: Transaction) -> bool:
            await hold(tx, run)
            is_parked = await park(tx, run, now=self._clock.now())
            failpoint("run.parking")
            return is_parked

        return await self._store.write(run.owner, unit)

    async def _store_round(self, attempt: Attempt, offer: Offer) -> Run:
        run, answer = attempt.run, attempt.answer
        judged = self._requests.judged(answer.calls, offer, is_cut=answer.is_cut_short)
        rest, requests = answer.take_pending(is_whole=True), answer.take_requests()

        async def unit(tx: Transaction) -> Run:
            await hold(tx, run)
            now = self._clock.now()
            for request in requests:
                await tx.model_requests.add(request)
            stored = await store_round(
                tx,
                run,
                message_of(answer, run, state=RunState.COMPLETED, now=now),
                judged,
                before=rest,
                now=now,
                expires_at=now + self._limits.approval_lifetime,
                new_id=self._new_id,
            )
            await attempt.bill.account(tx)
            return stored

        following = await self._store.write(run.owner, unit)
        attempt.bill.accounted()
        return following


def _exhausted(rounds: int) -> str:
    return (
        f"the model asked for tools in {rounds} answers, and once more when it was to answer without; what the tools "
        "returned is in the conversation: send another message to let it go on"
    )
