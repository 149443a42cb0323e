"""Executes one attempt of a run: prompt, model, deltas or an image, answer."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from server.application.compaction import Compactor
from server.application.contexts import Contexts, NextAnswer, Prepared
from server.application.enclosing import Enclosing
from server.application.guard import Guard
from server.application.held_contents import HeldContents
from server.application.metering import Asked, Meter
from server.application.recall import Recall
from server.application.run_states import end_run, start_next
from server.application.tool_offer import Offer
from server.application.tool_requests import ToolRequests
from server.domain.cached_answer import cache_key
from server.domain.errors import UnknownModel
from server.domain.ids import ApprovalId, MessageId, ToolCallId
from server.domain.limits import Limits
from server.domain.memory import EXTRACTION_LEASE
from server.domain.run import Lease, Run, RunError, RunState
from server.domain.spending_errors import BudgetExceeded, ModelUnpriced
from server.domain.usage import CallKind
from server.engine.answer import Answer, message_of
from server.engine.cached import ResponseCache
from server.engine.delta_log import DeltaLog, RunLost, hold
from server.engine.drawing import Drawing
from server.engine.guarded import guarded
from server.engine.rounds import Attempt, Rounds
from server.engine.tool_execution import ToolExecution
from server.engine.toolbox import Toolbox
from server.failpoint import failpoint
from server.ports.blobs import Blobs
from server.ports.provider import Models, Piece, Provider, ProviderError
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids
from server.ports.tools import ToolSchemas, ToolServers

_SHORTER_REQUESTS: Final = (2 / 3, 1 / 2, 1 / 3, 1 / 4)
"""What part of a request that is too long for the model's context the next one takes. First little less, for mostly
tokens were estimated too low; then ever less, for nobody knows that context: the last is a thirty-sixth of all."""


class Runner:
    """Executes claimed runs, one call an attempt. Keeps nothing between calls."""

    def __init__(
        self,
        *,
        store: Store,
        models: Models,
        blobs: Blobs,
        clock: Clock,
        ids: Ids,
        limits: Limits,
        guard: Guard,
        meter: Meter,
        servers: ToolServers,
        schemas: ToolSchemas,
        recall: Recall,
    ) -> None:
        self._store = store
        self._models = models
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self._drawing = Drawing(blobs=blobs, clock=clock, ids=ids)
        self._guard = guard
        self._meter = meter
        compactor = Compactor(store=store, clock=clock, ids=ids, models=models, limits=limits, guard=guard)
        self._held = HeldContents(limits.attachments.process_bytes)
        enclosing = Enclosing(store=store, blobs=blobs, limits=limits.attachments)
        self._contexts = Contexts(
            store=store, clock=clock, ids=ids, models=models, compactor=compactor, recall=recall, enclosing=enclosing
        )
        self._cache = ResponseCache(store=store, clock=clock, limits=limits, figures=guard.figures)
        toolbox = Toolbox(servers=servers, limits=limits)
        self._rounds = Rounds(
            store=store,
            clock=clock,
            limits=limits,
            toolbox=toolbox,
            requests=ToolRequests(schemas=schemas, new_id=self._call_id, most=limits.tool_calls),
            execution=ToolExecution(
                store=store,
                clock=clock,
                limits=limits,
                servers=servers,
                schemas=schemas,
                toolbox=toolbox,
                new_id=self._approval_id,
            ),
            new_id=self._approval_id,
        )

    def begin(self, run: Run) -> Attempt:
        """An attempt of a claimed run, with nothing done yet."""
        bill = self._meter.of_run(run, hold=lambda tx: hold(tx, run))
        return Attempt(run, bill, self._new_answer(run), self._held.holding())

    async def work(self, attempt: Attempt) -> RunError | None:
        """Go on until the last answer is in the log, or the run is parked; returns why it failed, if it did.

        May be cancelled at any moment; what is stored stays. Raises `RunLost`, `StoreUnavailable`.
        """
        seconds = self._limits.run_duration.total_seconds()
        try:
            async with asyncio.timeout(seconds) as bound:
                return await self._rounds.play(attempt, self._stream, self._new_answer)
        except ProviderError as error:
            return RunError(error.reason, error.message, error.retry_after)
        except (BudgetExceeded, ModelUnpriced) as error:
            return RunError(error.reason, error.message, getattr(error, "retry_after", None))
        except TimeoutError:
            if not bound.expired():
                raise
            return RunError("RUN_TIMEOUT", f"the run took longer than {seconds:.0f} seconds; ask for a shorter answer")

    async def finish(
        self, attempt: Attempt, error: RunError | None, *, next_lease: Callable[[], Lease | None]
    ) -> Run | None:
        """End the run and start the next in its queue, in one transaction; returns that one, already claimed.

        Raises `RunLost`, `StoreUnavailable`. Not to be cancelled: a claim would be lost.
        """
        run, answer = attempt.run, attempt.answer
        state = RunState.FAILED if error else RunState.COMPLETED
        rest = tuple(answer.take_pending(is_whole=state is RunState.COMPLETED))
        requests = answer.take_requests()

        async def unit(tx: Transaction) -> Run | None:
            await hold(tx, run)
            now, lease = self._clock.now(), next_lease()
            said = answer.text or answer.reasoning or state is RunState.COMPLETED
            message = message_of(answer, run, state=state, now=now) if said else None
            if answer.file is not None:
                await tx.files.add(answer.file)
            for request in requests:
                await tx.model_requests.add(request)
            await end_run(tx, run, state=state, now=now, answer=message, before=rest, error=error, usage=answer.usage)
            await attempt.bill.account(tx)
            if attempt.wants_memories and error is None and not self._models.is_offline(run.provider):
                await tx.extractions.begin(run.id, run.conversation_id, due=now + EXTRACTION_LEASE)
            failpoint("run.ending")
            return await start_next(tx, run.conversation_id, lease=lease, now=now) if lease else None

        following = await self._store.write(run.owner, unit)
        attempt.bill.accounted()
        return following

    def _new_answer(self, run: Run) -> Answer:
        return Answer(message_id=MessageId(str(self._ids.uuid())), model=run.model)

    def _call_id(self) -> ToolCallId:
        return ToolCallId(f"call_{self._ids.uuid().hex}")

    def _approval_id(self) -> ApprovalId:
        return ApprovalId(str(self._ids.uuid()))

    async def _stream(self, attempt: Attempt, offer: Offer) -> RunError | None:
        """Let the attempt's answer grow to its end."""
        try:
            return await self._asked(attempt, offer)
        finally:
            attempt.holding.release()

    async def _asked(self, attempt: Attempt, offer: Offer) -> RunError | None:
        run, answer = attempt.run, attempt.answer
        try:
            provider = self._models.provider(run.provider)
        except UnknownModel as error:
            gone = f"no configured provider is called {run.provider!r} any more, which offered the model {run.model!r}"
            return RunError(error.reason, gone)
        prepared = await self._prepared(attempt, offer)
        if run.options.image:
            answer.answers(prepared.record)
            await self._drawing.draw(attempt.bill, provider, prepared, run, answer)
            return None
        for part in _SHORTER_REQUESTS:
            try:
                return await self._say(attempt, provider, prepared)
            except ProviderError as error:
                if error.reason != "CONTEXT_TOO_LONG" or answer.size:
                    raise
                # The context is shorter than it seems, or tokens were estimated too low.
                shorter = await self._prepared(attempt, offer, most_tokens=int(prepared.tokens * part))
                if shorter.tokens >= prepared.tokens:
                    raise
                prepared = shorter
        return await self._say(attempt, provider, prepared)

    async def _say(self, attempt: Attempt, provider: Provider, asked: Prepared) -> RunError | None:
        run, answer = attempt.run, attempt.answer
        answer.answers(asked.record)
        answers = self._answers(attempt, asked, provider)
        log = DeltaLog(
            store=self._store, clock=self._clock, limits=self._limits, run=run, answer=answer, bill=attempt.bill
        )
        # Left from right to left: the request to the model ends at once, whatever the store does.
        async with log, aclosing(answers) as pieces:
            async for piece in pieces:
                failpoint("run.delta_received")
                log.add(piece)
                if attempt.said + answer.size > self._limits.run_output_bytes:
                    return RunError(
                        "OUTPUT_TOO_LONG",
                        f"the answer is longer than {self._limits.run_output_bytes} bytes; set max_tokens",
                    )
        failpoint("run.last_delta")
        return None

    def _answers(self, attempt: Attempt, prepared: Prepared, provider: Provider) -> AsyncGenerator[Piece, None]:
        """Whatever may be shown of the answer: the model's, or one that was given before."""
        run, request, answer, record = attempt.run, prepared.request, attempt.answer, prepared.record
        asked = Asked(CallKind.ANSWER, provider, record.estimated_tokens, record.id, answer.message_id)

        def ask() -> AsyncGenerator[Piece, None]:
            return guarded(attempt.bill.stream(asked, request), self._guard, most=self._limits.run_output_bytes)

        key = cache_key(run, request.messages, tools=request.tools, guard_version=self._guard.version)
        return ask() if key is None or not self._limits.cache_lifetime else self._cache.stream(run, key, answer, ask)

    async def _prepared(self, attempt: Attempt, offer: Offer, *, most_tokens: int | None = None) -> Prepared:
        """What to ask the model. Raises `RunLost`: a run that was ended elsewhere is not worth its tokens, and its
        history may have gone on."""
        run = attempt.run
        number = run.rounds + 1
        asked = NextAnswer(run, attempt.answer.message_id, number, attempt.holding, offer.specs, most_tokens)
        prepared = await self._contexts.prepare(asked, attempt.bill)
        if prepared is None:
            raise RunLost
        attempt.wants_memories = prepared.wants_memories
        return replace(prepared, request=replace(prepared.request, may_call=offer.is_open))
