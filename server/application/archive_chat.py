"""Use cases of the archive's chat: send a message to a conversation, new or not, and get its answer."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from server.application.archive import absence
from server.application.conversations import new_conversation
from server.application.membership import require
from server.application.outcomes import answer_in, awaited, failure, follow
from server.application.runs import Prepare, Runs, SendMessage
from server.application.streams import Streams
from server.application.viewpoints import Viewpoint, find_seen
from server.domain.conversation import Conversation
from server.domain.errors import FieldViolation, InvalidField, RunFailed
from server.domain.events import Event, RunEnded, Shown
from server.domain.generation import GenerationConfig
from server.domain.ids import AssistantId, ConversationId, OrganizationId
from server.domain.message import Message
from server.domain.organization import MemberRole
from server.domain.principal import Owner, Principal
from server.domain.run import PLAIN, Run, RunOptions, RunState
from server.domain.title import DEFAULT_TITLE, first_words
from server.ports.provider import Models
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids


@dataclass(frozen=True, slots=True)
class ArchiveMessage:
    """A message to a conversation."""

    content: str
    conversation_id: ConversationId | None = None
    """`None`: a new one."""
    assistant_id: AssistantId | None = None
    organization_id: OrganizationId | None = None
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    options: RunOptions = PLAIN


class ArchiveChat:
    """Messages of a caller and their answers."""

    def __init__(self, *, store: Store, clock: Clock, ids: Ids, models: Models, runs: Runs, streams: Streams) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._models = models
        self._runs = runs
        self._streams = streams

    async def send(self, principal: Principal, message: ArchiveMessage) -> Run:
        """Accept a message; a new conversation is made in the same transaction: a refused message makes nothing.

        Raises `ConversationNotFound`, `ConversationForbidden`, `NotAMember`, `RoleMissing`, `InvalidField`
        (organization or assistant is not the conversation's) and what `Runs.send` raises.
        """
        if message.conversation_id is None:
            key, prepare = self._beginning(principal, message)
        else:
            key, prepare = await self._continuation(principal.owner, message.conversation_id, message)
        command = SendMessage(key, message.content, generation=message.generation, options=message.options)
        return await self._runs.send(principal, command, prepare=prepare)

    async def answer(self, owner: Owner, run: Run) -> Message:
        """The answer: the last message of it, whatever rounds it took. Raises `RunFailed`, `RunCancelled`,
        `RunInterrupted`, `RunAwaitsDecision`, and `ConversationNotFound` when the conversation is deleted meanwhile."""
        answer = None
        async with aclosing(self._checked(owner, run, awaited(self._streams, owner, run))) as events:
            async for event in events:
                answer = answer_in(event) or answer
        if answer is None:
            raise RunFailed(reason="INTERNAL", message="the run has no answer")
        return answer

    async def resume(self, owner: Owner, seen: Viewpoint) -> Run:
        """The run of an accepted message, of whose answer so much was seen. Raises `RunNotFound`, `CursorInFuture`."""
        run, _ = await self._store.read(owner, lambda tx: find_seen(tx, seen))
        return run

    async def follow(self, owner: Owner, run: Run) -> AsyncGenerator[Shown, None]:
        """Everything that a run shows, to its good end. Raises what `answer` raises, but stays while the run waits."""
        async with aclosing(self._checked(owner, run, follow(self._streams, owner, run))) as events:
            async for event in events:
                yield event

    async def _checked(self, owner: Owner, run: Run, shown: AsyncGenerator[Shown, None]) -> AsyncGenerator[Shown, None]:
        """What is shown, to its good end. Raises what the end says."""
        async with aclosing(shown) as events:
            async for event in events:
                state = _end_in(event)
                if state not in (None, RunState.COMPLETED):
                    raise await failure(self._runs, owner, run, state)
                yield event

    def _beginning(self, principal: Principal, message: ArchiveMessage) -> tuple[str, Prepare]:
        identity = ConversationId(str(self._ids.uuid()))
        made = new_conversation(
            principal,
            identity,
            key=identity,
            name=first_words(message.content) or DEFAULT_TITLE,
            now=self._clock.now(),
            models=self._models,
            organization_id=message.organization_id,
        )

        async def make(tx: Transaction) -> None:
            if message.organization_id is not None:
                await require(tx, message.organization_id, MemberRole.MEMBER)
            await tx.conversations.add(replace(made, assistant_id=message.assistant_id))

        return identity, make

    async def _continuation(
        self, owner: Owner, conversation_id: ConversationId, message: ArchiveMessage
    ) -> tuple[str, Prepare]:
        async def look(tx: Transaction) -> Conversation:
            found = await tx.conversations.by_id(conversation_id)
            if found is None:
                raise await absence(tx, conversation_id)
            return found

        async def check(tx: Transaction) -> None:
            found = await tx.conversations.lock_by_id(conversation_id)
            if found is None:
                raise await absence(tx, conversation_id)
            _check_context(found, message)

        return (await self._store.read(owner, look)).key, check


def _end_in(shown: Shown) -> RunState | None:
    match shown:
        case Event(payload=RunEnded(state=state)):
            return state
    return None


def _check_context(found: Conversation, message: ArchiveMessage) -> None:
    """What a conversation was made with stays. Raises `InvalidField` when the message says otherwise."""
    pairs = {
        "organization_id": (message.organization_id, found.organization_id),
        "assistant_id": (message.assistant_id, found.assistant_id),
    }
    wrong = [name for name, (said, kept) in pairs.items() if said not in (None, kept)]
    if wrong:
        raise InvalidField([FieldViolation(name, "is not the conversation's") for name in wrong])
