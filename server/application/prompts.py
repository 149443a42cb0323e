"""Use cases of prompts: send a message to a chat, new or not, and wait for the answer, whole or piece by piece."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from server.application.answer_view import STOPPING, AnswerView, Shown, Titled
from server.application.chats import unarchived
from server.application.conversations import new_conversation
from server.application.model_choice import chosen_model
from server.application.outcomes import answer_in, awaited, failure, follow
from server.application.runs import Prepare, Runs, SendMessage
from server.application.streams import Streams
from server.application.titles import Titles, Titling
from server.application.viewpoints import Viewpoint, find_seen
from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound
from server.domain.events import Draining, Event, RunEnded
from server.domain.ids import ConversationId, default_organization_id
from server.domain.limits import Limits
from server.domain.model import Model
from server.domain.principal import Owner, Principal
from server.domain.run import Run, RunOptions, RunState
from server.domain.title import DEFAULT_TITLE
from server.ports.provider import Models
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids


@dataclass(frozen=True, slots=True)
class Prompt:
    """A message to a chat."""

    message: str
    conversation_id: ConversationId | None = None
    """`None`: a new chat."""
    generate_title: bool = True
    provider: str | None = None
    """Name of a provider; only with `model`."""
    model: str | None = None
    """Name or id of the model that answers this message."""
    use_cache: bool = True


@dataclass(frozen=True, slots=True)
class Sent:
    """An accepted prompt, and how far its answer was seen."""

    run: Run
    titling: Titling | None
    """The title that is being made for its chat, if one is."""
    attempt: int
    """The one with which the view of it began."""
    after: int = 0
    """The place in the conversation's log up to which it was seen; 0: nothing yet."""


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """Something shown, and the place in the log up to which its reader has seen the run then; `None` for what no event
    of the log stands for."""

    shown: Shown
    sequence: int | None


class Prompts:
    """Prompts of a caller."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        models: Models,
        runs: Runs,
        streams: Streams,
        titles: Titles,
        limits: Limits,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._models = models
        self._runs = runs
        self._streams = streams
        self._titles = titles
        self._limits = limits

    async def send(self, principal: Principal, prompt: Prompt) -> Sent:
        """Accept a message; a new chat is made in the same transaction, so that a refused message makes nothing.

        Raises `ConversationNotFound`, `UnknownModel`, `ModelInactive` and what `Runs.send` raises.
        """
        if prompt.conversation_id is None:
            chat, prepare = self._new_chat(principal)
        else:
            chat, prepare = await self._existing_chat(principal.owner, prompt.conversation_id)
        model = await self._chosen_model(chat, prompt)
        options = RunOptions(use_cache=prompt.use_cache)
        command = SendMessage(chat.key, prompt.message, model=model, options=options)
        run = await self._runs.send(principal, command, prepare=prepare)
        titled = not prompt.generate_title or chat.name != DEFAULT_TITLE
        return Sent(run, None if titled else self._titles.begin(run), _attempt(run))

    async def resume(self, owner: Owner, seen: Viewpoint) -> Sent:
        """Take up an accepted prompt again: as far as it was seen, or from the beginning of its current attempt.

        Raises `RunNotFound`, `ConversationNotFound`, `CursorInFuture`.
        """

        async def unit(tx: Transaction) -> tuple[Run, Conversation]:
            run, chat = await find_seen(tx, seen)
            return run, unarchived(chat, chat.id)

        run, chat = await self._store.read(owner, unit)
        attempt = _attempt(run) if seen.attempt is None else seen.attempt
        return Sent(run, self._titles.under_way(chat.id), attempt, seen.sequence)

    async def answer(self, owner: Owner, sent: Sent) -> str:
        """The answer: the last message of it, whatever rounds it took. A title that is being made is waited for a
        moment.

        Raises `RunFailed`, `RunCancelled`, `RunInterrupted`, `RunAwaitsDecision`, and `ConversationNotFound` when the
        chat is deleted meanwhile.
        """
        answer = None
        async with aclosing(awaited(self._streams, owner, sent.run)) as events:
            async for event in events:
                answer = answer_in(event) or answer
                match event:
                    case Event(payload=RunEnded(state=state)) if state is not RunState.COMPLETED:
                        raise await failure(self._runs, owner, sent.run, state)
        await self._title(sent)
        return answer.content if answer else ""

    async def follow(self, owner: Owner, sent: Sent) -> AsyncGenerator[ShownEvent, None]:
        """What is shown of the answer behind what was seen, to its end; a title that is being made is waited for a
        moment before that. Raises what `answer` raises, but stays while the run waits; and `AnswerRestarted`."""
        run = sent.run
        view = AnswerView(run.id, attempt=sent.attempt)
        # From the first event on: what a view shows depends on what it has shown.
        async with aclosing(follow(self._streams, owner, run)) as events:
            async for event in events:
                if isinstance(event, Draining):
                    yield ShownEvent(STOPPING, None)
                if not isinstance(event, Event):
                    continue
                shown = view.take(event)
                if event.sequence <= sent.after:
                    continue
                if isinstance(event.payload, RunEnded):
                    if event.payload.state is not RunState.COMPLETED:
                        raise await failure(self._runs, owner, run, event.payload.state)
                    title = None if view.is_titled else await self._title(sent)
                    if title is not None:
                        yield ShownEvent(Titled(title), None)
                for each in shown:
                    yield ShownEvent(each, event.sequence)

    async def _title(self, sent: Sent) -> str | None:
        patience = self._limits.title_patience.total_seconds()
        return None if sent.titling is None else await sent.titling.title(patience)

    def _new_chat(self, principal: Principal) -> tuple[Conversation, Prepare]:
        identity = ConversationId(str(self._ids.uuid()))
        now = self._clock.now()
        chat = new_conversation(principal, identity, key=identity, name=DEFAULT_TITLE, now=now, models=self._models)
        return chat, lambda tx: tx.conversations.add(chat)

    async def _existing_chat(self, owner: Owner, identity: ConversationId) -> tuple[Conversation, Prepare]:
        async def locked(tx: Transaction) -> None:
            unarchived(await tx.conversations.lock_by_id(identity), identity)

        found = await self._store.read(owner, lambda tx: tx.conversations.by_id(identity))
        if found is None:
            raise ConversationNotFound(identity)
        # Whether it is archived is asked where the message is accepted: a repeated one is answered all the same.
        return found, locked

    async def _chosen_model(self, chat: Conversation, prompt: Prompt) -> Model | None:
        """The model that the prompt names, of those that the chat's organization can use; `None`: it names none."""
        if prompt.model is None:
            return None
        organization_id = chat.organization_id or default_organization_id(chat.owner.tenant)
        added = await self._store.read(chat.owner, lambda tx: tx.models.of_organization(organization_id))
        return chosen_model(self._models, added, provider=prompt.provider, model=prompt.model)


def _attempt(run: Run) -> int:
    """The attempt with which a view begins that has seen nothing: what earlier ones have said is void."""
    return max(1, run.epoch)
