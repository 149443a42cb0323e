"""Use cases of a thread's branches: list them, go back to one."""

from dataclasses import dataclass

from server.application.conversations import find, lock
from server.application.model_context import refresh_summary
from server.application.paging import Page, cut, number_position, number_token
from server.application.repeats import Repeats
from server.domain.branch import Branch, BranchTree
from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound
from server.domain.events import BranchActivated
from server.domain.history_errors import BranchNotFound, RunActive
from server.domain.limits import Limits
from server.domain.principal import Owner, Principal
from server.ports.store import Store, Transaction
from server.ports.system import Clock


@dataclass(frozen=True, slots=True)
class ListedBranch:
    """A branch, and whether it is the one that is active."""

    branch: Branch
    is_active: bool


class Branches:
    """Branches of a caller's threads."""

    def __init__(self, *, store: Store, clock: Clock, limits: Limits, repeats: Repeats) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._repeats = repeats

    async def page(self, owner: Owner, key: str, *, page_size: int, page_token: str) -> Page[ListedBranch]:
        """The branches of a thread in the order in which they were started. Raises `ConversationNotFound`."""
        size = page_size or self._limits.default_page

        async def unit(tx: Transaction) -> Page[ListedBranch]:
            conversation = await find(tx, key)
            kind = f"branches/{conversation.id}"
            after = number_position(kind, page_token)
            tree = await _tree(tx, conversation)
            listed = [ListedBranch(item, item is tree.active) for item in tree if item.number > after]
            return cut(listed[: size + 1], size, lambda item: number_token(kind, item.branch.number))

        return await self._store.read(owner, unit)

    async def switch(self, principal: Principal, key: str, number: int) -> ListedBranch:
        """Make a branch the active one. Raises `ConversationNotFound`, `BranchNotFound`, `RunActive`."""

        async def unit(tx: Transaction) -> ListedBranch:
            conversation = await lock(tx, key)
            tree = await _tree(tx, conversation)
            branch = tree.get(number)
            if branch is None:
                raise BranchNotFound(number)
            if branch is not tree.active:
                await self._activate(tx, principal, conversation, tree, branch)
            return ListedBranch(branch, is_active=True)

        return (await self._repeats.write(principal, ListedBranch, unit)).result

    async def _activate(
        self, tx: Transaction, principal: Principal, conversation: Conversation, tree: BranchTree, branch: Branch
    ) -> None:
        if await tx.runs.active(conversation.id) or await tx.runs.next_queued(conversation.id):
            raise RunActive
        now = self._clock.now()
        await tx.branches.activate(conversation.id, branch.number)
        await refresh_summary(tx, conversation.id)
        shared = tree.shared(tree.active.number, branch.number)
        activated = BranchActivated(branch.number, shared, branch.length)
        await tx.events.append(conversation.id, [activated], now=now, actor=principal.actor)
        await tx.conversations.touch(conversation.id, now, by=principal.user_id)


async def _tree(tx: Transaction, conversation: Conversation) -> BranchTree:
    tree = await tx.branches.tree(conversation.id)
    if tree is None:
        raise ConversationNotFound(conversation.key)
    return tree
