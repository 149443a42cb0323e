"""What of a history is revised: a user message that is edited, an answer that is made anew; and the branch that starts
there. Works inside units that have locked the conversation."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from server.application.model_context import refresh_summary
from server.domain.branch import BranchCause
from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound, FieldViolation, InvalidField
from server.domain.events import BranchActivated
from server.domain.history_errors import MessageNotFound, MessageNotInHistory
from server.domain.ids import MessageId, ModelId, SessionId
from server.domain.message import Message, Role
from server.domain.run import RunOptions
from server.failpoint import failpoint
from server.ports.store import Transaction

_WINDOW: Final = 32


@dataclass(frozen=True, slots=True)
class Edit:
    """A user message gives way to another text."""

    message_id: MessageId


@dataclass(frozen=True, slots=True)
class Regeneration:
    """An answer is made anew."""

    message_id: MessageId | None = None
    """`None`: whatever answers the last user message of the history, also when nothing did."""


Revision = Edit | Regeneration


@dataclass(frozen=True, slots=True)
class Fork:
    """Where a revision leaves a history."""

    source: int
    """A branch that has the messages that are kept."""
    kept: int
    """How many."""
    cause: BranchCause
    replaced: Message
    """What gives way."""
    question: Message
    """The user message of the turn: the edited one, or the one that is answered anew."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a revision takes over from the turn that it revises."""

    session_id: SessionId | None
    model_id: ModelId | None
    """The session's model."""
    options: RunOptions
    """What the run was to do besides answering."""


async def locate(tx: Transaction, conversation: Conversation, revision: Revision) -> Fork:
    """Find what is revised, in the history or in another branch.

    Raises `MessageNotFound`, `MessageNotInHistory`, `InvalidField` for a message of the wrong role.
    """
    if isinstance(revision, Edit):
        return await _edited(tx, conversation, revision.message_id)
    if revision.message_id is None:
        return await _answered_last(tx, conversation)
    return await _answered(tx, conversation, revision.message_id)


async def inherited(tx: Transaction, fork: Fork) -> Inherited:
    """What the turn had; a copy of another thread's turn has no run that would tell."""
    question = fork.question
    session = await tx.sessions.get(question.session_id) if question.session_id else None
    run = await tx.runs.get(question.run_id) if question.run_id else None
    options = run.options if run else RunOptions(image=fork.replaced.image is not None)
    return Inherited(session.id if session else None, session.model_id if session else None, options)


async def start_branch(
    tx: Transaction, conversation: Conversation, fork: Fork, *, now: datetime, actor: str | None
) -> None:
    """Start the branch and tell the log, also of the actor; nothing when nothing would leave the history."""
    tree = await tx.branches.tree(conversation.id)
    if tree is None:
        raise ConversationNotFound(conversation.key)
    if (fork.source, fork.kept) == (tree.active.number, tree.active.length):
        return
    source_id = fork.replaced.id
    branch = tree.forked(fork.source, kept=fork.kept, cause=fork.cause, source_message_id=source_id, now=now)
    await tx.branches.start(conversation.id, branch)
    failpoint("branch.started")
    await refresh_summary(tx, conversation.id)
    shared = tree.with_branch(branch).shared(tree.active.number, branch.number)
    activated = BranchActivated(branch.number, shared, branch.length, source_id)
    await tx.events.append(conversation.id, [activated], now=now, actor=actor)


async def in_branch(tx: Transaction, conversation: Conversation, message_id: MessageId) -> tuple[Message, int]:
    """A message of the history or of another branch, and its place there. Raises `MessageNotFound`,
    `MessageNotInHistory`."""
    message = await tx.messages.get(message_id)
    if message is None or message.conversation_id != conversation.id:
        raise MessageNotFound(message_id)
    if message.position is None:
        raise MessageNotInHistory(message_id)
    return message, message.position


async def _edited(tx: Transaction, conversation: Conversation, message_id: MessageId) -> Fork:
    message, place = await in_branch(tx, conversation, message_id)
    if message.role is not Role.USER:
        raise _wrong_role(f"names a message of the role {message.role}; only user messages can be edited")
    return Fork(_home(message, conversation), place - 1, BranchCause.EDIT, replaced=message, question=message)


async def _answered(tx: Transaction, conversation: Conversation, message_id: MessageId) -> Fork:
    answer, place = await in_branch(tx, conversation, message_id)
    if answer.role is not Role.ASSISTANT:
        raise _wrong_role(f"names a message of the role {answer.role}; only answers can be made anew")
    home = _home(answer, conversation)
    question = await _question_before(tx, conversation, home, place)
    if question is None:
        raise _wrong_role("names a message that answers no user message")
    return _made_anew(home, answer, question)


async def _answered_last(tx: Transaction, conversation: Conversation) -> Fork:
    end = await tx.messages.count(conversation.id) + 1
    question = await _question_before(tx, conversation, conversation.branch, end)
    if question is None:
        raise MessageNotFound(None)
    answers = await tx.messages.page(conversation.id, after_position=question.position or 0, limit=1)
    return _made_anew(conversation.branch, answers[0] if answers else question, question)


def _made_anew(source: int, answer: Message, question: Message) -> Fork:
    kept = question.position or 0
    return Fork(source, kept, BranchCause.REGENERATION, replaced=answer, question=question)


def _home(message: Message, conversation: Conversation) -> int:
    return message.branch or conversation.branch


async def _question_before(tx: Transaction, conversation: Conversation, branch: int, place: int) -> Message | None:
    """The last user message of a branch before a place."""
    while place > 1:
        after = max(0, place - 1 - _WINDOW)
        window = await tx.branches.page(conversation.id, branch, after=after, limit=place - 1 - after)
        for message in reversed(window):
            if message.role is Role.USER:
                return message
        place = after + 1
    return None


def _wrong_role(description: str) -> InvalidField:
    return InvalidField([FieldViolation("message_id", description)])
