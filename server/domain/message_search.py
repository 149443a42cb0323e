"""A search in the messages of an owner: what is looked for, where, in which order, and what is found."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from server.domain.excerpt import Excerpt
from server.domain.ids import ConversationId, MessageId, RunId
from server.domain.message import MessageStatus, Role
from server.domain.message_query import MessageQuery

MOST_RANKED: Final = 10_000
"""So many messages are compared with each other, the newest, of those that have all the words and meet what the index
knows of: roles, conversation, model and time."""
USUAL_ROLES: Final = frozenset({Role.USER, Role.ASSISTANT})
"""Who is listened to unless the search says so: people and models, neither tools nor instructions."""
IN_HISTORY: Final = frozenset({MessageStatus.COMPLETE, MessageStatus.INTERRUPTED, MessageStatus.FAILED})
"""What messages of a history may be; of others those that wait are found, and those withdrawn, when they are named."""


class SearchOrder(StrEnum):
    """How hits are sorted; those that are equal by id. Hits of the same millisecond are as old as each other."""

    NEWEST = "NEWEST"
    """The newest first."""
    RELEVANCE = "RELEVANCE"
    """Those first in which the words occur more often, for their length; then the newest. The figure is of the message
    alone: no other message changes it, so that pages fit together whatever is stored meanwhile."""


@dataclass(frozen=True, slots=True)
class MessageSearch:
    """Everything given holds of a hit. Only text that was said counts: not what a model thought, nor calls of tools."""

    query: MessageQuery
    roles: frozenset[Role] = USUAL_ROLES
    statuses: frozenset[MessageStatus] = IN_HISTORY
    model: str | None = None
    conversation_id: ConversationId | None = None
    since: datetime | None = None
    """At this moment or later …"""
    until: datetime | None = None
    """… and before this one."""
    all_branches: bool = False
    """Whether messages are found that are not part of the active history of their conversation any more."""
    order: SearchOrder = SearchOrder.NEWEST


@dataclass(frozen=True, slots=True)
class HitPosition:
    """Where a page of hits ended."""

    score: int
    """The relevance; 0 where the newest come first."""
    number: int
    """Grows with the time of the message."""
    message_id: MessageId
    floor: int = 0
    """The smallest number that takes part in a comparison, from its first page on."""


@dataclass(frozen=True, slots=True)
class MessageHit:
    """A message that was found."""

    position: HitPosition
    conversation_key: str
    role: Role
    created_at: datetime
    status: MessageStatus
    excerpt: Excerpt
    model: str | None = None
    run_id: RunId | None = None
    branch: int | None = None
    """Number of the branch in which it was written, when that is not part of the active history any more."""
