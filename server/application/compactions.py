"""Use case of compaction on demand: the history of a thread is summarised now."""

from dataclasses import dataclass

from server.application.compaction import Compactor, stored
from server.application.conversations import find, lock
from server.application.metering import Bill, Meter
from server.application.model_context import unsummarised, usable
from server.application.repeats import Repeats
from server.domain.compaction import Compaction
from server.domain.compaction_errors import CompactionFailed, HistoryChanged
from server.domain.compaction_plan import Plan, Unsummarised
from server.domain.conversation import Conversation
from server.domain.limits import Limits
from server.domain.model import Model
from server.domain.principal import Principal
from server.ports.provider import Models
from server.ports.store import Store, Transaction
from server.ports.system import Clock


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction on demand came to."""

    compaction: Compaction | None
    """The newest summary of the history; `None`: it has none."""
    is_new: bool
    """Whether this call made it."""
    tokens_before: int
    """Estimated tokens of the history as requests carried it: of its summary, and of what is behind that …"""
    tokens_after: int
    """… and the same now."""

    @property
    def tokens_saved(self) -> int:
        """What every request saves by it."""
        return max(0, self.tokens_before - self.tokens_after)


class Compactions:
    """Compactions of a caller's threads."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        models: Models,
        compactor: Compactor,
        repeats: Repeats,
        meter: Meter,
        limits: Limits,
    ) -> None:
        self._store = store
        self._clock = clock
        self._models = models
        self._compactor = compactor
        self._repeats = repeats
        self._meter = meter
        self._lasts = 2 * limits.compaction_duration

    async def compact(self, principal: Principal, key: str) -> Compacted:
        """Summarise a thread's history up to its last user message. When there is nothing to summarise, or another
        summary was stored meanwhile, nothing changes.

        Raises `ConversationNotFound`, `UnknownModel`, `CompactionFailed`, `HistoryChanged`, and what `Meter.check`
        does. Cancelled, it ends the
        request to the model at once.
        """
        if (done := await self._done(principal)) is not None:
            return done
        model, found = await self._store.read(principal.owner, lambda tx: self._unsummarised(tx, key))
        plan = found.before_last_turn()
        if plan is None:
            return await self._unchanged(principal, key, found)
        await self._store.read(
            principal.owner,
            lambda tx: self._meter.check(tx, principal.payer, provider=model.provider, model=model.name),
        )
        bill = self._meter.beside(principal.owner, found.conversation.id, lasts=self._lasts, payer=principal.payer)
        try:
            made = await self._compactor.made(plan, model, bill)
            if made.compaction is None:
                raise CompactionFailed(made.failure or "SUMMARY_EMPTY")
            return await self._stored(principal, key, plan, made.compaction, bill)
        finally:
            await bill.close()

    async def _done(self, principal: Principal) -> Compacted | None:
        """What the same call came to before: the model is not asked twice."""
        mark = principal.request_key
        if mark is None:
            return None

        async def unit(tx: Transaction) -> Compacted | None:
            found = await self._repeats.found(tx, mark, now=self._clock.now())
            return None if found is None else await tx.requests.recall(mark.id, Compacted)

        return await self._store.write(principal.owner, unit)

    async def _unsummarised(self, tx: Transaction, key: str) -> tuple[Model, Unsummarised]:
        conversation = await find(tx, key)
        model = self._models.resolve(conversation.generation.model)
        return model, await unsummarised(tx, conversation, model)

    async def _unchanged(self, principal: Principal, key: str, found: Unsummarised) -> Compacted:
        async def unit(tx: Transaction) -> Compacted:
            await find(tx, key)
            return Compacted(found.previous, False, found.tokens, found.tokens)

        of = found.conversation.id
        return (await self._repeats.write(principal, Compacted, unit, of=lambda _: of)).result

    async def _stored(
        self, principal: Principal, key: str, plan: Plan, compaction: Compaction, bill: Bill
    ) -> Compacted:
        before, after = plan.of.tokens, plan.of.tokens_with(compaction)

        async def unit(tx: Transaction) -> Compacted:
            conversation = await lock(tx, key)
            await bill.account(tx)
            if not await stored(tx, conversation, plan, compaction, actor=principal.actor):
                return await self._superseded(tx, conversation, plan, before)
            await tx.conversations.touch(conversation.id, compaction.created_at, by=principal.user_id)
            return Compacted(compaction, True, before, after)

        of = plan.of.conversation.id
        done = await self._repeats.write(principal, Compacted, unit, of=lambda _: of)
        if not done.repeated:
            bill.accounted()
        return done.result

    async def _superseded(self, tx: Transaction, conversation: Conversation, plan: Plan, tokens: int) -> Compacted:
        """What is there instead of a compaction that came too late."""
        if conversation.branch != plan.of.conversation.branch or conversation.id != plan.of.conversation.id:
            raise HistoryChanged
        return Compacted(await usable(tx, conversation), False, tokens, tokens)
