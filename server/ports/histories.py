"""What a transaction of the store does with histories: messages in their order, and the branches they stay in."""

from collections.abc import Sequence
from typing import Protocol

from server.domain.branch import Branch, BranchTree
from server.domain.ids import ConversationId, MessageId
from server.domain.message import Message, Spoken


class Messages(Protocol):
    """Messages of the owner's conversations. The history is that of the active branch."""

    async def append(self, message: Message) -> Message:
        """Put a message at the end of the history; returns it with its position."""

    async def extend(self, conversation_id: ConversationId, messages: Sequence[Message]) -> None:
        """Put messages at the end of a history, in order; what they say of their own place does not count."""

    async def enqueue(self, message: Message) -> None:
        """Store a message with status QUEUED outside the history."""

    async def admit(self, message_id: MessageId) -> Message:
        """Move a queued message to the end of the history as COMPLETE; returns it."""

    async def withdraw(self, message_id: MessageId) -> None:
        """Take a queued message out of the queue for good: it becomes CANCELLED and never enters the history."""

    async def speak(self, message_id: MessageId, spoken: Spoken) -> bool:
        """Note how much of an answer was spoken, wherever it is; `False` when there is no such message."""

    async def get(self, message_id: MessageId) -> Message | None:
        """The one of that id, wherever it is: in the history, in the queue, in another branch."""

    async def history(self, conversation_id: ConversationId, *, last: int | None = None) -> list[Message]:
        """The history in order; with `last` only that many from its end."""

    async def page(self, conversation_id: ConversationId, *, after_position: int, limit: int) -> list[Message]:
        """The history in order behind a position."""

    async def slice(
        self, conversation_id: ConversationId, *, offset: int, limit: int, descending: bool
    ) -> list[Message]:
        """A window of what the history says to people: without results of tools, and without messages that ask for
        tools and say nothing."""

    async def count_said(self, conversation_id: ConversationId) -> int:
        """How many messages those are of which `slice` shows a window."""

    async def count(self, conversation_id: ConversationId) -> int:
        """How many messages the history has in all."""

    async def queued(self, conversation_id: ConversationId) -> list[Message]:
        """Messages of status QUEUED in the order in which they were accepted."""


class Branches(Protocol):
    """Branches of the owner's conversations. Changed only while nothing writes to the history: no run is active."""

    async def tree(self, conversation_id: ConversationId) -> BranchTree | None:
        """All of a conversation's; `None` when there is no such conversation."""

    async def start(self, conversation_id: ConversationId, branch: Branch) -> None:
        """Store a branch that `BranchTree.forked` made, and make it the active one: messages that it does not share
        leave the history and stay in their branches, those that it shares with another come back."""

    async def activate(self, conversation_id: ConversationId, number: int) -> None:
        """Make a branch the active one, likewise."""

    async def page(self, conversation_id: ConversationId, number: int, *, after: int, limit: int) -> list[Message]:
        """The history of any branch in order behind a position."""
