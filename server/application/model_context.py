"""What a conversation has for a model request at one moment: the end of its history, its summary, the model's room.
Works inside units of work."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from server.domain.budget import room
from server.domain.compaction import Compaction, CompactionCause, Summary
from server.domain.compaction_plan import Unsummarised
from server.domain.conversation import ContextStrategy, Conversation
from server.domain.errors import UnknownModel
from server.domain.generation import GenerationConfig
from server.domain.ids import ConversationId, MessageId
from server.domain.message import Message, heard
from server.domain.model import Model
from server.domain.model_request import Bounds, RequestMessages, select, suffices
from server.domain.tokens import TokenEstimator, calibrated
from server.domain.tool import ToolSpec
from server.ports.provider import Models
from server.ports.store import Transaction

_ALL: Final = 2**31
_CARRIED: Final = {
    # A summary that somebody asked for is wanted; one that the service made is what the other strategy is.
    ContextStrategy.SLIDING_WINDOW: frozenset({CompactionCause.ON_DEMAND}),
    ContextStrategy.SUMMARIZE: frozenset(CompactionCause),
}


@dataclass(frozen=True, slots=True)
class ModelContext:
    """All that the messages of a request are chosen by."""

    conversation: Conversation
    history: Sequence[Message]
    """As much of its end as can be carried."""
    system_prompt: str | None = None
    compaction: Compaction | None = None
    """The summary that is carried, if there is room for it."""
    bounds: Bounds = field(default_factory=lambda: Bounds(1))
    estimator: TokenEstimator = field(default_factory=TokenEstimator)

    def selected(self) -> RequestMessages:
        """The messages of the request."""
        return select(
            self.history,
            system_prompt=self.system_prompt,
            summary=summary_of(self.compaction),
            bounds=self.bounds,
            estimator=self.estimator,
        )


async def model_context(
    tx: Transaction,
    conversation: Conversation,
    *,
    model: Model,
    generation: GenerationConfig,
    tools: Sequence[ToolSpec] = (),
) -> ModelContext:
    """Read what a request to a model is made of."""
    estimator = await estimator_for(tx, conversation, model)
    strategy = conversation.context_management.strategy
    bounds = Bounds(conversation.context_management.max_history_messages, room(model, generation, tools, estimator))
    return ModelContext(
        conversation=conversation,
        history=await _end_of_history(tx, conversation, bounds.messages),
        system_prompt=conversation.settings.system_prompt,
        compaction=await usable(tx, conversation, _CARRIED[strategy]),
        bounds=bounds,
        estimator=estimator,
    )


async def question_alone(tx: Transaction, conversation: Conversation, message_id: MessageId) -> ModelContext:
    """Read what an image is drawn after: one message."""
    question = await tx.messages.get(message_id)
    return ModelContext(conversation, [question] if question else [])


async def unsummarised(tx: Transaction, conversation: Conversation, model: Model) -> Unsummarised:
    """Read what the next summary of a conversation is made of."""
    previous, newest = await usable(tx, conversation), await tx.compactions.newest(conversation.id)
    after = previous.upto if previous else 0
    return Unsummarised(
        conversation=conversation,
        previous=previous,
        version=newest.version if newest else 0,
        history=_heard(await tx.messages.page(conversation.id, after_position=after, limit=_ALL)),
        estimator=await estimator_for(tx, conversation, model),
    )


async def estimator_for(tx: Transaction, conversation: Conversation, model: Model) -> TokenEstimator:
    """Estimates as the model's provider has been seen to count in that conversation."""
    counts = await tx.model_requests.counts(conversation.id, provider=model.provider, model=model.name)
    return calibrated(counts, accepted=model.accepted)


async def usable(
    tx: Transaction, conversation: Conversation, causes: frozenset[CompactionCause] = frozenset(CompactionCause)
) -> Compaction | None:
    """The newest summary of nothing but messages that the active branch has."""
    newest = await tx.compactions.newest(conversation.id)
    if newest is None or (newest.branch == conversation.branch and newest.cause in causes):
        return newest
    return await usable_in(tx, conversation.id, conversation.branch, causes=causes)


async def usable_in(
    tx: Transaction,
    conversation_id: ConversationId,
    branch: int,
    *,
    upto: int | None = None,
    causes: frozenset[CompactionCause] = frozenset(CompactionCause),
) -> Compaction | None:
    """The newest summary of nothing but messages that a branch has, up to a position."""
    tree, found = await tx.branches.tree(conversation_id), await tx.compactions.all(conversation_id)
    if tree is None:
        return None
    for each in reversed(found):
        shared = tree.shared(each.branch, branch)
        if each.cause in causes and each.upto <= (shared if upto is None else min(shared, upto)):
            return each
    return None


async def refresh_summary(tx: Transaction, conversation_id: ConversationId) -> None:
    """Make the conversation show the summary of the branch that has become active, or none."""
    if await tx.compactions.newest(conversation_id) is None:
        return
    conversation = await tx.conversations.by_id(conversation_id)
    compaction = await usable(tx, conversation) if conversation else None
    text = compaction.text if compaction else ""
    if conversation is not None and conversation.summary != text:
        await tx.conversations.save(replace(conversation, summary=text))


def summary_of(compaction: Compaction | None) -> Summary | None:
    """What a request takes from a compaction."""
    return Summary(compaction.upto, compaction.text) if compaction else None


def configured(models: Models, *, provider: str, name: str) -> Model:
    """The model as it is configured now; one that is not any more has no settings."""
    try:
        return models.offered(provider, name)
    except UnknownModel:
        return Model(provider, name)


async def _end_of_history(tx: Transaction, conversation: Conversation, most: int) -> list[Message]:
    """As many messages from the end as a window of so many can carry, those that say nothing aside."""
    wanted = most
    while True:
        history = _heard(await tx.messages.history(conversation.id, last=wanted))
        if len(history) < wanted or suffices(history, most):
            return history
        wanted *= 2


def _heard(history: list[Message]) -> list[Message]:
    """What a model is to know of a history: of answers that were spoken and cut short, as much as was heard."""
    return [message if message.spoken is None else heard(message) for message in history]
