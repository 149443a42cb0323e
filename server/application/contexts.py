"""Prepares the model requests of runs: what the model is sent, and what is kept of that."""

from dataclasses import dataclass, replace

from server.application.compaction import Compactor
from server.application.enclosing import Enclosing
from server.application.held_contents import Holding
from server.application.metering import Bill
from server.application.model_context import ModelContext, configured, model_context, question_alone
from server.application.recall import Recall
from server.domain.conversation import ContextStrategy
from server.domain.ids import MessageId, ModelRequestId
from server.domain.model_request import Omission, RequestMessages
from server.domain.request_record import RequestRecord, offered
from server.domain.run import Run
from server.domain.tool import ToolSpec
from server.ports.provider import CompletionRequest, Models
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids

_MOST_TOKENS = 2**31 - 1
"""What a record can say, of files that claim to be longer."""
_CUT_OFF = frozenset({Omission.WINDOW, Omission.BUDGET})


@dataclass(frozen=True, slots=True)
class NextAnswer:
    """What a run is about to ask its model for."""

    run: Run
    message_id: MessageId
    """The message that the answer becomes."""
    number: int
    """Which answer of the run it is, from 1."""
    holding: Holding
    """What its request holds of files."""
    tools: tuple[ToolSpec, ...] = ()
    """What the model may ask for before it answers."""
    most_tokens: int | None = None
    """What its messages may take at most, whatever is known of the model's context."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request, and its record: to be stored in the transaction of the first that comes of its answer."""

    request: CompletionRequest
    record: RequestRecord
    tokens: int
    """Estimated tokens of its messages."""
    wants_memories: bool = False
    """Whether memories are to be taken from the conversation."""


class Contexts:
    """Requests of runs. Keeps nothing between calls."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        models: Models,
        compactor: Compactor,
        recall: Recall,
        enclosing: Enclosing,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._models = models
        self._compactor = compactor
        self._recall = recall
        self._enclosing = enclosing

    async def prepare(self, answer: NextAnswer, bill: Bill) -> Prepared | None:
        """The request for an answer; `None` when the run is not that attempt's any more.

        Under SUMMARIZE, messages that would be cut off are summarised first; when that fails they are cut off. Raises
        `StoreUnavailable`. May be cancelled at any moment.
        """
        context = await self._read(answer, bill)
        chosen = context.selected() if context else None
        failure = None
        if context and chosen and _cuts_off_what_can_be_summarised(context, chosen):
            failure = await self._compactor.automatic(answer.run, context.bounds, bill)
            context = await self._read(answer, bill)
            chosen = context.selected() if context else None
        if context is None or chosen is None:
            return None
        enclosed = await self._enclosing.enclosed(
            answer.run.owner,
            chosen.parts,
            answer.holding,
            accepted=context.estimator.accepted,
            text_allowance=chosen.text_allowance,
        )
        request = CompletionRequest(enclosed.messages, answer.run.generation, answer.tools)
        record = replace(self._record(answer, context, chosen, failure), files=enclosed.files)
        return Prepared(request, record, chosen.tokens, context.conversation.settings.memory.extract)

    async def _read(self, answer: NextAnswer, bill: Bill) -> ModelContext | None:
        run = answer.run
        model = configured(self._models, provider=run.provider, name=run.model)

        async def unit(tx: Transaction) -> ModelContext | None:
            current = await tx.runs.get(run.id)
            conversation = await tx.conversations.by_id(run.conversation_id)
            if conversation is None or current is None or (current.state, current.epoch) != (run.state, run.epoch):
                return None
            if run.options.image:
                return await question_alone(tx, conversation, run.user_message_id)
            return await model_context(tx, conversation, model=model, generation=run.generation, tools=answer.tools)

        context = await self._store.read(run.owner, unit)
        if context is None:
            return None
        context = await self._recall.recalled(run, context, bill)
        if answer.most_tokens is None:
            return context
        known = answer.most_tokens if context.bounds.tokens is None else context.bounds.tokens
        return replace(context, bounds=replace(context.bounds, tokens=min(known, answer.most_tokens)))

    def _record(
        self, answer: NextAnswer, context: ModelContext, chosen: RequestMessages, failure: str | None
    ) -> RequestRecord:
        run = answer.run
        tokens = min(_MOST_TOKENS, chosen.tokens + context.estimator.tools(answer.tools))
        return RequestRecord(
            id=ModelRequestId(str(self._ids.uuid())),
            conversation_id=run.conversation_id,
            run_id=run.id,
            epoch=run.epoch,
            round=answer.number,
            message_id=answer.message_id,
            branch=context.conversation.branch,
            included=chosen.included,
            left_out=chosen.left_out,
            system_prompt=context.system_prompt,
            compaction_id=context.compaction.id if context.compaction and chosen.has_summary else None,
            compaction_failure=failure,
            tools=offered(answer.tools),
            provider=run.provider,
            generation=run.generation,
            estimated_tokens=tokens,
            plain_tokens=round(tokens / context.estimator.ratio),
            room=context.bounds.tokens,
            created_at=self._clock.now(),
        )


def _cuts_off_what_can_be_summarised(context: ModelContext, chosen: RequestMessages) -> bool:
    is_wanted = context.conversation.context_management.strategy is ContextStrategy.SUMMARIZE
    return is_wanted and any(each.why in _CUT_OFF for each in chosen.left_out)
