"""Model calls as they cost: asks a budget before each, counts what comes of it, and has that stored with its outcome.

What a provider does not report is estimated. A call that nobody stored anything of, because its process was killed
first, is not counted; every other one is, once, whatever became of its run.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from server.application.spending_rules import SpendingRules
from server.domain.budget import ANSWER_TOKENS
from server.domain.events import PartialAnswer
from server.domain.ids import ConversationId, MessageId, ModelRequestId, RunId
from server.domain.memory import Vector
from server.domain.memory_errors import EmbedderUnavailable
from server.domain.message import Usage
from server.domain.principal import Owner, Principal
from server.domain.run import Run
from server.domain.spending import NOBODY, Payer
from server.domain.tokens import TokenEstimator
from server.domain.usage import NO_CONVERSATION, CallKind, ModelCall, Spent
from server.failpoint import failpoint
from server.ports.memories import Embedder
from server.ports.provider import (
    CompletionRequest,
    Image,
    ImageRequest,
    Piece,
    Provider,
    ProviderError,
    ReasoningPiece,
    TextPiece,
    ToolCallsPiece,
    UsageReport,
)
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids

Hold = Callable[[Transaction], Awaitable[None]]
"""Raises unless whoever wants to call a model may still do so."""

_REFUSALS: Final = frozenset(
    {
        "PROVIDER_UNAUTHENTICATED",
        "PROVIDER_MODEL_NOT_FOUND",
        "PROVIDER_RATE_LIMITED",
        "PROVIDER_UNAVAILABLE",
        "PROVIDER_REJECTED_REQUEST",
        "CONTEXT_TOO_LONG",
    }
)
"""Reasons for which a provider has not begun to work, so that nothing is to be paid unless something came."""


@dataclass(slots=True)
class _Line:
    """One call on a bill."""

    call: ModelCall
    is_stored: bool = False
    reported: Usage | None = None
    said: list[str] = field(default_factory=list)
    is_refused: bool = False
    is_over: bool = False

    def add(self, piece: Piece) -> None:
        match piece:
            case UsageReport(usage=usage):
                self.reported = usage
            case TextPiece(text=text) | ReasoningPiece(text=text):
                self.said.append(text)
            case ToolCallsPiece(calls=calls):
                self.said += [f"{call.name} {call.arguments}" for call in calls]

    @property
    def spent(self) -> Spent:
        images = int(self.call.kind is CallKind.IMAGE)
        if self.reported is not None:
            one = self.reported
            return Spent(one.prompt_tokens, one.completion_tokens, one.cached_tokens, images)
        if self.is_refused and not self.said:
            return Spent(is_estimated=True)
        if images:
            return Spent(images=1, is_estimated=not self.is_over)
        return self.call.given_up("".join(self.said))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call is known by before it is made."""

    kind: CallKind
    provider: Provider
    estimated_input: int
    id: ModelRequestId | None = None
    """`None`: one of its own."""
    message_id: MessageId | None = None


class Bill:
    """The calls of one piece of work: those of an attempt of a run, of a title, of a summary."""

    def __init__(
        self,
        *,
        meter: "Meter",
        owner: Owner,
        conversation_id: ConversationId,
        payer: Payer,
        run_id: RunId | None,
        hold: Hold | None,
        lasts: timedelta | None,
    ) -> None:
        self._meter = meter
        self._owner = owner
        self._conversation_id = conversation_id
        self._payer = payer
        self._run_id = run_id
        self._hold = hold
        self._lasts = lasts
        self._lines: list[_Line] = []

    async def stream(self, asked: Asked, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """The answer of a provider, counted as it comes. Raises `BudgetExceeded` and `ModelUnpriced` before it is
        asked, what `hold` raises, and what the provider does."""
        model = request.generation.model or ""
        most = request.generation.max_tokens or ANSWER_TOKENS
        line = await self._begun(asked, model, most)
        try:
            async with aclosing(asked.provider.stream(request)) as pieces:
                async for piece in pieces:
                    line.add(piece)
                    yield piece
        except ProviderError as error:
            line.is_refused = error.reason in _REFUSALS
            raise
        finally:
            line.is_over = True

    async def draw(self, asked: Asked, request: ImageRequest) -> Image:
        """An image of a provider, counted. Raises as `stream`."""
        line = await self._begun(asked, request.model, 0)
        try:
            image = await asked.provider.draw(request)
        except ProviderError as error:
            line.is_refused = error.reason in _REFUSALS
            raise
        line.is_over = True
        return image

    async def embed(self, embedder: Embedder, texts: Sequence[str]) -> list[Vector]:
        """Vectors of texts, counted where a model gives them. No budget is asked: they are for something that was
        permitted, and cost little of it. Raises `EmbedderUnavailable`."""
        model = embedder.model
        if model is None:
            return (await embedder.embed(texts)).vectors
        line = _Line(self._call(CallKind.EMBEDDING, model.provider, model.name, sum(map(TokenEstimator().text, texts))))
        self._lines.append(line)
        try:
            embedded = await embedder.embed(texts)
        except EmbedderUnavailable as error:
            line.is_refused = error.cause_reason in _REFUSALS
            raise
        finally:
            line.is_over = True
        if embedded.input_tokens is not None:
            line.reported = Usage(embedded.input_tokens, 0, embedded.input_tokens)
        return embedded.vectors

    @property
    def has_unsettled(self) -> bool:
        """Whether there are calls whose outcome nobody has stored."""
        return bool(self._lines)

    def unstored(self) -> list[ModelCall]:
        """Calls under way of which the store does not know yet."""
        return [line.call for line in self._lines if not line.is_stored and not line.is_over]

    def stored(self, calls: Sequence[ModelCall]) -> None:
        """Learn that the store knows of them now."""
        known = {call.id for call in calls}
        for line in self._lines:
            line.is_stored |= line.call.id in known

    async def account(self, tx: Transaction) -> None:
        """Store the outcomes so far, in the transaction of what came of the calls, whose conversation is there."""
        for line in self._lines:
            await tx.usage.settle(line.call, line.spent, is_kept=self._conversation_id != NO_CONVERSATION)
        failpoint("usage.accounted")

    def accounted(self) -> None:
        """Learn that the transaction of `account` is durable."""
        self._lines = []

    async def close(self) -> None:
        """Store the outcomes that nothing else was stored with: what failed, or was cut off. Raises
        `StoreUnavailable`."""
        if self._lines:
            await self._meter.store.write(self._owner, self.account_late)
            self._lines = []

    async def account_late(self, tx: Transaction) -> None:
        """The same of a conversation that may be gone."""
        is_there = await tx.conversations.lock_by_id(self._conversation_id) is not None
        for line in self._lines:
            # What was stored of a conversation that is gone was settled as that went.
            if is_there or not line.is_stored:
                await tx.usage.settle(line.call, line.spent, is_kept=is_there)

    async def _begun(self, asked: Asked, model: str, most_output: int) -> _Line:
        call = self._call(asked.kind, asked.provider.name, model, asked.estimated_input)
        call = replace(call, id=asked.id or call.id, message_id=asked.message_id, most_output=most_output)
        line = _Line(call)
        if self._meter.rules.concern(self._owner.tenant, self._payer):
            await self._reserve(call, call.started_at)
            line.is_stored = True
        self._lines.append(line)
        return line

    def _call(self, kind: CallKind, provider: str, model: str, estimated_input: int) -> ModelCall:
        """A call that begins now, and whose answer is nothing."""
        meter, now = self._meter, self._meter.clock.now()
        return ModelCall(
            id=ModelRequestId(str(meter.ids.uuid())),
            kind=kind,
            conversation_id=self._conversation_id,
            provider=provider,
            model=model,
            started_at=now,
            estimated_input=estimated_input,
            most_output=0,
            price=meter.rules.price(provider, model),
            run_id=self._run_id,
            key_id=self._payer.key_id,
            account=self._payer.account,
            expires_at=now + self._lasts if self._lasts is not None else None,
        )

    async def _reserve(self, call: ModelCall, now: datetime) -> None:
        """Store the call before it is made, unless a budget forbids it; and what came of those before it."""
        before = list(self._lines)

        async def unit(tx: Transaction) -> None:
            if self._hold is not None:
                await self._hold(tx)
            for line in before:
                await tx.usage.settle(line.call, line.spent)
            await tx.usage.lock_spending()
            await self._meter.rules.check(tx, self._payer, call.provider, call.model, now=now)
            await tx.usage.open(call)
            failpoint("usage.reserving")

        await self._meter.store.write(self._owner, unit)
        self._lines = [line for line in self._lines if line not in before]
        failpoint("usage.reserved")


class Meter:
    """Opens bills."""

    def __init__(self, *, store: Store, clock: Clock, ids: Ids, rules: SpendingRules) -> None:
        self.store = store
        self.clock = clock
        self.ids = ids
        self.rules = rules

    async def check(self, tx: Transaction, payer: Payer, *, provider: str, model: str) -> None:
        """Let work be accepted that needs a model while budgets allow calls. Raises `BudgetExceeded`,
        `ModelUnpriced`."""
        if self.rules.concern(tx.owner.tenant, payer):
            await self.rules.check(tx, payer, provider, model, now=self.clock.now())

    async def of_request(self, principal: Principal, embedder: Embedder) -> Bill:
        """The bill of a call that needs vectors and has no conversation, if budgets allow that. Raises as `check`."""
        owner, payer, model = principal.owner, principal.payer, embedder.model
        if model is not None and self.rules.concern(owner.tenant, payer):
            checked = partial(self.check, payer=payer, provider=model.provider, model=model.name)
            await self.store.read(owner, checked)
        return Bill(
            meter=self,
            owner=owner,
            conversation_id=NO_CONVERSATION,
            payer=payer,
            run_id=None,
            hold=None,
            lasts=None,
        )

    def of_run(self, run: Run, *, hold: Hold) -> Bill:
        """The bill of an attempt: its calls are under way as long as `hold` does not raise."""
        return Bill(
            meter=self,
            owner=run.owner,
            conversation_id=run.conversation_id,
            payer=run.payer,
            run_id=run.id,
            hold=hold,
            lasts=None,
        )

    def beside(
        self,
        owner: Owner,
        conversation_id: ConversationId,
        *,
        lasts: timedelta,
        payer: Payer = NOBODY,
        run_id: RunId | None = None,
    ) -> Bill:
        """The bill of work that no worker's hold protects: its calls count as under way for so long at most."""
        return Bill(
            meter=self,
            owner=owner,
            conversation_id=conversation_id,
            payer=payer,
            run_id=run_id,
            hold=None,
            lasts=lasts,
        )


def estimated(request: CompletionRequest) -> int:
    """Estimated tokens of a request's messages."""
    return sum(map(TokenEstimator().message, request.messages))


async def give_up_calls(tx: Transaction, run: Run, partial: PartialAnswer | None = None) -> None:
    """Settle what the store knows of calls whose worker no longer holds the run: `partial` is what the run's last
    attempt is known to have said. Should that worker know better, it tells later. Expects the conversation locked."""
    for call in await tx.usage.open_of_run(run.id):
        heard = partial is not None and partial.message_id == call.message_id
        await tx.usage.settle(call, call.given_up(partial.text + partial.reasoning if partial and heard else ""))
