"""Branches of the owner's conversations.

Messages of the active history have a position and nothing else, so that whatever reads or extends it need not know of
branches. What leaves it is marked with the branch it was written in and its place there, and gets its position back
when a branch that it is part of becomes active again. A conversation without other branches has no rows here.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, Integer, bindparam, null, select, update

from server.adapters.store import tables
from server.adapters.store.executor import Row
from server.adapters.store.messages import COLUMNS, message_of
from server.adapters.store.paging import LIMIT
from server.adapters.store.scope import Scope
from server.adapters.store.statement import Owned, found, owned, owned_insert, parameter
from server.adapters.store.times import micros, moment
from server.domain.branch import ORIGINAL, Branch, BranchCause, BranchTree
from server.domain.errors import ConversationNotFound
from server.domain.ids import ConversationId
from server.domain.message import Message

_table = tables.branches
_c = _table.c
_message = tables.messages.c
_conversation = tables.conversations.c
_COLUMNS: Final = (_c.number, _c.parent, _c.forked_at, _c.cause, _c.source_message_id, _c.length, _c.created_at)

_of_conversation = _c.conversation_id == parameter(_c.conversation_id)
_CONVERSATION = found(tables.conversations)
_HEAD = owned(
    select(_conversation.branch, _conversation.last_position, _conversation.created_at).where(
        _conversation.id == bindparam("conversation_id")
    ),
    tables.conversations,
)
_ALL = owned(select(*_COLUMNS).where(_of_conversation).order_by(_c.number), _table)
_ADD = owned_insert(_table)
_KEEP_LENGTH = owned(
    update(_table)
    .where(_c.conversation_id == bindparam("of_conversation"), _c.number == bindparam("of_branch", type_=Integer))
    .values(length=parameter(_c.length, "new_length")),
    _table,
)
_HEAD_FOR = owned(
    update(tables.conversations)
    .where(_conversation.id == bindparam("of_conversation"))
    .values(
        branch=parameter(_conversation.branch, "new_branch"),
        last_position=parameter(_conversation.last_position, "new_length"),
    ),
    tables.conversations,
)

_branch = bindparam("of_branch", type_=Integer)
_after = bindparam("after", type_=BigInteger)
_upto = bindparam("upto", type_=BigInteger)
_active = (
    _message.conversation_id == bindparam("of_conversation"),
    _message.position > _after,
    _message.position <= _upto,
)
_departed = (
    _message.conversation_id == bindparam("of_conversation"),
    _message.branch == _branch,
    _message.branch.is_not(None),  # so that SQLite sees that the partial index will do
    _message.branch_position > _after,
    _message.branch_position <= _upto,
)
_DEPART = owned(
    update(tables.messages)
    .where(*_active)
    .values(
        branch=bindparam("new_branch", type_=Integer),
        branch_position=_message.position,
        position=null(),
    ),
    tables.messages,
)
_RETURN = owned(
    update(tables.messages)
    .where(*_departed)
    .values(position=_message.branch_position, branch=null(), branch_position=null()),
    tables.messages,
)
_OF_HISTORY = owned(select(*COLUMNS).where(*_active).order_by(_message.position).limit(LIMIT), tables.messages)
_OF_BRANCH = owned(select(*COLUMNS).where(*_departed).order_by(_message.branch_position).limit(LIMIT), tables.messages)


class StoredBranches:
    """See `ports.store.Branches`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def tree(self, conversation_id: ConversationId) -> BranchTree | None:
        """All branches of a conversation."""
        head = await self._scope.fetch_one(_HEAD, conversation_id=conversation_id)
        if head is None:
            return None
        active, length, created = head
        rows = await self._scope.fetch(_ALL, conversation_id=conversation_id)
        branches = [_branch_of(row, length if row[0] == active else None) for row in rows]
        return BranchTree(branches or [_original(created, length)], active=active)

    async def start(self, conversation_id: ConversationId, branch: Branch) -> None:
        """Store a new branch and make it the active one. Raises `ConversationNotFound`."""
        tree = await self.tree(conversation_id)
        if tree is None:
            raise ConversationNotFound(conversation_id)
        is_first = len(list(tree)) == 1
        added = [tree.active, branch] if is_first else [branch]
        await self._scope.insert(_ADD, [_values(conversation_id, item) for item in added])
        await self._activate(conversation_id, tree.with_branch(branch), branch)

    async def activate(self, conversation_id: ConversationId, number: int) -> None:
        """Make a branch the active one."""
        tree = await self.tree(conversation_id)
        branch = tree.get(number) if tree else None
        if tree is not None and branch is not None:
            await self._activate(conversation_id, tree, branch)

    async def page(self, conversation_id: ConversationId, number: int, *, after: int, limit: int) -> list[Message]:
        """The history of a branch in order behind a position."""
        tree = await self.tree(conversation_id)
        if tree is None or tree.get(number) is None:
            return []
        shared = tree.shared(tree.active.number, number)
        found = await self._window(_OF_HISTORY, conversation_id, after=after, upto=shared, limit=limit)
        for segment in tree.path(number, after=max(after, shared)):
            if len(found) < limit:
                left = limit - len(found)
                window = {"after": segment.after, "upto": segment.upto, "limit": left, "of_branch": segment.branch}
                found += await self._window(_OF_BRANCH, conversation_id, **window)
        return found

    async def _activate(self, conversation_id: ConversationId, tree: BranchTree, branch: Branch) -> None:
        shared = tree.shared(tree.active.number, branch.number)
        for segment in tree.path(tree.active.number, after=shared):
            place = {"after": segment.after, "upto": segment.upto, "new_branch": segment.branch}
            await self._scope.fetch(_DEPART, of_conversation=conversation_id, **place)
        for segment in tree.path(branch.number, after=shared):
            place = {"after": segment.after, "upto": segment.upto, "of_branch": segment.branch}
            await self._scope.fetch(_RETURN, of_conversation=conversation_id, **place)
        kept = {"of_branch": tree.active.number, "new_length": tree.active.length}
        await self._scope.fetch(_KEEP_LENGTH, of_conversation=conversation_id, **kept)
        await self._scope.fetch(
            _HEAD_FOR, of_conversation=conversation_id, new_branch=branch.number, new_length=branch.length
        )

    async def _window(self, statement: Owned, conversation_id: ConversationId, **place: Any) -> list[Message]:
        rows = await self._scope.fetch(statement, of_conversation=conversation_id, **place)
        return [message_of(row) for row in rows]


def _original(created: int, length: int) -> Branch:
    return Branch(ORIGINAL, None, 0, BranchCause.ORIGINAL, moment(created), length)


def _values(conversation_id: ConversationId, branch: Branch) -> dict[str, Any]:
    return {
        "conversation_id": conversation_id,
        "number": branch.number,
        "parent": branch.parent,
        "forked_at": branch.forked_at,
        "cause": branch.cause.value,
        "source_message_id": branch.source_message_id,
        "length": branch.length,
        "created_at": micros(branch.created_at),
    }


def _branch_of(row: Row, length: int | None) -> Branch:
    """The branch of a row; `length` is its own when it is the active one."""
    number, parent, forked_at, cause, source, stored_length, created = row
    return Branch(
        number=number,
        parent=parent,
        forked_at=forked_at,
        cause=BranchCause(cause),
        created_at=moment(created),
        length=stored_length if length is None else length,
        source_message_id=source,
    )
