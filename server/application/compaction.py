"""Summarises the older messages of conversations: when somebody asks for it, and before a request carries too much.

The messages stay as they are. A summary covers only messages that were whole when it was begun, and is stored only
while the history is still the one that it was made of, and no other summary came first.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace

import structlog

from server.application.guard import Guard
from server.application.metering import Bill
from server.application.model_context import configured, unsummarised
from server.application.summaries import Folded, Summaries, SummaryFailed
from server.domain.compaction import Compaction, CompactionCause
from server.domain.compaction_plan import Plan
from server.domain.conversation import Conversation
from server.domain.events import ConversationCompacted
from server.domain.ids import CompactionId
from server.domain.limits import Limits
from server.domain.model import Model
from server.domain.model_request import Bounds
from server.domain.run import Run
from server.ports.provider import Models
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a plan: a summary, or why there is none; both, when it covers less than was planned."""

    compaction: Compaction | None
    failure: str | None
    """A reason."""


class Compactor:
    """Makes compactions. Keeps nothing between calls."""

    def __init__(self, *, store: Store, clock: Clock, ids: Ids, models: Models, limits: Limits, guard: Guard) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._models = models
        self._limits = limits
        self._guard = guard
        self._summaries = Summaries(models)

    async def automatic(self, run: Run, bounds: Bounds, bill: Bill) -> str | None:
        """Summarise what the next request of a run would cut off, and half a request more, so that the next messages
        need no summary again.

        Returns why that failed, wholly or in part; `None`: it did not, or there was nothing to summarise. Raises
        `StoreUnavailable`. Cancelled, it ends the request to the model at once.
        """
        model = configured(self._models, provider=run.provider, name=run.model)

        async def unit(tx: Transaction) -> Plan | None:
            conversation = await tx.conversations.by_id(run.conversation_id)
            return (await unsummarised(tx, conversation, model)).all_but_half(bounds) if conversation else None

        plan = await self._store.read(run.owner, unit)
        if plan is None:
            return None
        made = await self.made(plan, model, bill)
        failure = made.failure
        if made.compaction is not None and not _is_shorter(made.compaction, plan):
            failure = "SUMMARY_TOO_LONG"
        elif made.compaction is not None:
            compaction = replace(made.compaction, cause=CompactionCause.AUTOMATIC, run_id=run.id)
            await self._store.write(run.owner, lambda tx: self._store_for(tx, run, plan, compaction, bill))
            bill.accounted()
        if failure is not None:
            _log.warning("compaction_failed", conversation=run.conversation_id, run=run.id, reason=failure)
        return failure

    async def made(self, plan: Plan, model: Model, bill: Bill) -> Made:
        """The summary that a plan asks for, not stored: in the time that the limits give as much of it as was done.
        What it cost stands on the bill."""
        folded, failure = None, None
        previous = plan.of.previous.text if plan.of.previous else None
        steps = self._summaries.fold(previous, plan.texts, model=model, estimator=plan.of.estimator, bill=bill)
        try:
            async with asyncio.timeout(self._limits.compaction_duration.total_seconds()) as bound, aclosing(steps):
                async for step in steps:
                    folded = step
        except SummaryFailed as error:
            failure = error.reason
        except TimeoutError:
            if not bound.expired():
                raise
            failure = "SUMMARY_TIMEOUT"
        if folded is None or folded.count < min(1, plan.count):
            return Made(None, failure or "SUMMARY_EMPTY")
        if not await self._guard.allows(folded.summary):
            return Made(None, "SUMMARY_REFUSED")
        return Made(self._compaction(plan, folded, model), failure)

    def _compaction(self, plan: Plan, folded: Folded, model: Model) -> Compaction:
        upto, previous, estimator = plan.upto(folded.count), plan.of.previous, plan.of.estimator
        return Compaction(
            id=CompactionId(str(self._ids.uuid())),
            conversation_id=plan.of.conversation.id,
            version=plan.of.version + 1,
            branch=plan.of.conversation.branch,
            upto=upto,
            text=folded.summary,
            messages_summarized=upto,
            tokens_before=plan.tokens(folded.count) + (previous.tokens_before if previous else 0),
            tokens_after=estimator.text(folded.summary),
            model=model.name,
            provider=model.provider,
            cause=CompactionCause.ON_DEMAND,
            created_at=self._clock.now(),
        )

    async def _store_for(self, tx: Transaction, run: Run, plan: Plan, compaction: Compaction, bill: Bill) -> None:
        """Store a run's compaction, unless the run is over or the compaction is stale."""
        conversation = await tx.conversations.lock_by_id(run.conversation_id)
        if conversation is None:
            await bill.account_late(tx)
            return
        if await tx.runs.hold(run.id, epoch=run.epoch):
            await stored(tx, conversation, plan, compaction, actor=run.actor, run=run)
        await bill.account(tx)


async def stored(
    tx: Transaction,
    conversation: Conversation,
    plan: Plan,
    compaction: Compaction,
    *,
    actor: str | None,
    run: Run | None = None,
) -> bool:
    """Make a compaction the summary of a locked conversation and tell its log, among the events of the run that it is
    for, as done by the `actor` in the owner's name; `False`, and nothing done, when it is stale."""
    newest = await tx.compactions.newest(conversation.id)
    is_current = (newest.version if newest else 0) == plan.of.version and conversation.branch == compaction.branch
    if not is_current or not await tx.compactions.add(compaction):
        return False
    await tx.conversations.save(replace(conversation, summary=compaction.text))
    await tx.events.append(
        conversation.id,
        [ConversationCompacted(compaction)],
        now=compaction.created_at,
        run_id=run.id if run else None,
        epoch=run.epoch if run else None,
        actor=actor,
    )
    return True


def _is_shorter(compaction: Compaction, plan: Plan) -> bool:
    """Whether a summary takes less than what it takes the place of."""
    previous = plan.of.previous
    replaced = (compaction.tokens_before - previous.tokens_before) if previous else compaction.tokens_before
    return compaction.tokens_after < replaced + (previous.tokens_after if previous else 0)
