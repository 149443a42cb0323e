"""Use cases of conversation threads: make, list, read, configure, delete."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from server.application.approvals import PendingApproval, pending_approvals
from server.application.attached import with_deletions
from server.application.client_tools import checked
from server.application.conversations import described, find, lock, new_conversation, save
from server.application.deletion import Deletion
from server.application.guard import Guard
from server.application.paging import Page, cut, list_position, list_token, numbers_position, numbers_token
from server.application.repeats import Repeats
from server.domain.compaction import Compaction
from server.domain.conversation import (
    ContextManagement,
    ContextStrategy,
    Conversation,
    ConversationSummary,
    InterruptPolicy,
    Settings,
)
from server.domain.errors import ConversationNotFound, FieldViolation, InvalidField
from server.domain.generation import GenerationConfig
from server.domain.history_errors import BranchNotFound
from server.domain.ids import ConversationId
from server.domain.limits import Limits
from server.domain.memory import MemorySettings
from server.domain.message import Message
from server.domain.principal import Owner, Principal
from server.domain.run import Run
from server.domain.tool import ToolCallState, ToolInvocation, ToolSpec
from server.ports.provider import Models
from server.ports.store import ListPosition, Store, Transaction
from server.ports.system import Clock, Ids
from server.ports.tools import ToolSchemas, ToolServers


@dataclass(frozen=True, slots=True)
class ConversationState:
    """Everything about a conversation at one moment."""

    conversation: Conversation
    active_run: Run | None
    messages: list[Message]
    queued_messages: list[Message]
    compactions: list[Compaction]
    """Summaries made so far, of whatever branch, the oldest first."""
    pending_approvals: Sequence[PendingApproval] = ()
    """What waits for a person, the oldest request first."""
    pending_client_calls: Sequence[ToolInvocation] = ()
    """What waits for the client, in the order in which the model asked."""


@dataclass(frozen=True, slots=True)
class MemoryChange:
    """What to change of what is done with memories; `None` leaves as it is."""

    inject: bool | None = None
    extract: bool | None = None
    most: int | None = None

    def applied_to(self, old: MemorySettings) -> MemorySettings:
        """The settings that come of it."""
        return MemorySettings(
            inject=old.inject if self.inject is None else self.inject,
            extract=old.extract if self.extract is None else self.extract,
            most=old.most if self.most is None else self.most,
        )


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """What to change of a thread's settings; `None` leaves as it is, what is empty removes."""

    system_prompt: str | None = None
    interrupt_policy: InterruptPolicy | None = None
    mcp_servers: tuple[str, ...] | None = None
    client_tools: tuple[ToolSpec, ...] | None = None
    memory: MemoryChange = field(default_factory=MemoryChange)

    def applied_to(self, old: Settings) -> Settings:
        """The settings that come of it."""
        return Settings(
            system_prompt=old.system_prompt if self.system_prompt is None else self.system_prompt or None,
            interrupt_policy=self.interrupt_policy or old.interrupt_policy,
            mcp_servers=old.mcp_servers if self.mcp_servers is None else self.mcp_servers,
            client_tools=old.client_tools if self.client_tools is None else self.client_tools,
            memory=self.memory.applied_to(old.memory),
        )


class Threads:
    """Conversation threads of a caller."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        models: Models,
        deletion: Deletion,
        limits: Limits,
        repeats: Repeats,
        guard: Guard,
        servers: ToolServers,
        schemas: ToolSchemas,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._models = models
        self._deletion = deletion
        self._limits = limits
        self._repeats = repeats
        self._guard = guard
        self._servers = servers
        self._schemas = schemas

    async def create(self, principal: Principal, *, name: str, key: str) -> ConversationSummary:
        """Make a thread. Its key defaults to its id, its name to its key. Raises `ConversationKeyTaken`, and
        what `Guard.check` raises."""
        await self._guard.check(name, key)
        now = self._clock.now()
        identity = ConversationId(str(self._ids.uuid()))
        key = key or identity
        conversation = new_conversation(principal, identity, key=key, name=name or key, now=now, models=self._models)

        async def unit(tx: Transaction) -> ConversationSummary:
            await tx.conversations.add(conversation)
            return ConversationSummary(conversation, active_state=None)

        return (
            await self._repeats.write(principal, ConversationSummary, unit, of=lambda summary: summary.conversation.id)
        ).result

    async def get(self, owner: Owner, key: str) -> ConversationSummary:
        """A thread without its messages. Raises `ConversationNotFound`."""

        found = await self._store.read(owner, lambda tx: tx.conversations.summary(key))
        if found is None:
            raise ConversationNotFound(key)
        return found

    async def page(
        self, owner: Owner, *, page_size: int, page_token: str, include_archived: bool
    ) -> Page[ConversationSummary]:
        """The owner's threads, the most recently updated first; `page_size` 0 is all of them."""
        kind = f"threads/{int(include_archived)}"
        after = list_position(kind, page_token)
        size = page_size or None
        limit = None if size is None else size + 1
        found = await self._store.read(
            owner, lambda tx: tx.conversations.page(include_archived=include_archived, limit=limit, after=after)
        )
        return cut(found, size, lambda item: list_token(kind, _position(item.conversation)))

    async def update(
        self, principal: Principal, key: str, *, name: str | None, archived: bool | None
    ) -> ConversationSummary:
        """Change what is given. Raises `ConversationNotFound`, and what `Guard.check` raises."""
        await self._guard.check(name or "")
        return await self._change(principal, key, lambda old: described(old, name=name, archived=archived))

    async def delete(self, principal: Principal, key: str) -> ConversationId:
        """Destroy a thread and everything in it; its run stops, its streams end. Raises `ConversationNotFound`."""
        return await self._deletion.of(principal, lambda tx: lock(tx, key))

    async def state(self, owner: Owner, key: str) -> ConversationState:
        """Everything about a thread at one moment. Raises `ConversationNotFound`."""

        async def unit(tx: Transaction) -> ConversationState:
            conversation = await find(tx, key)
            active = await tx.runs.active(conversation.id)
            return ConversationState(
                conversation=conversation,
                active_run=active,
                messages=await with_deletions(tx, await tx.messages.history(conversation.id)),
                queued_messages=await with_deletions(tx, await tx.messages.queued(conversation.id)),
                pending_approvals=await pending_approvals(tx, conversation),
                pending_client_calls=await tx.tool_calls.of_conversation(
                    conversation.id, ToolCallState.AWAITING_CLIENT
                ),
                compactions=await tx.compactions.all(conversation.id),
            )

        return await self._store.read(owner, unit)

    async def messages(
        self, owner: Owner, key: str, *, page_size: int, page_token: str, branch: int = 0
    ) -> Page[Message]:
        """The history in order, a page at a time: that of a branch, for 0 the one that is active when the first page is
        asked for. Raises `ConversationNotFound`, `BranchNotFound`."""
        size = page_size or self._limits.default_page

        async def unit(tx: Transaction) -> Page[Message]:
            conversation = await find(tx, key)
            kind = f"messages/{conversation.id}/{branch}"
            begun = (branch or conversation.branch, 0)
            number, position = numbers_position(kind, page_token, 2) if page_token else begun
            if number == conversation.branch:
                found = await tx.messages.page(conversation.id, after_position=position, limit=size + 1)
            else:
                found = await self._of_branch(tx, conversation, number, after=position, limit=size + 1)
            found = await with_deletions(tx, found)
            return cut(found, size, lambda message: numbers_token(kind, number, message.position or 0))

        return await self._store.read(owner, unit)

    async def _of_branch(
        self, tx: Transaction, conversation: Conversation, number: int, *, after: int, limit: int
    ) -> list[Message]:
        tree = await tx.branches.tree(conversation.id)
        if tree is None or tree.get(number) is None:
            raise BranchNotFound(number)
        return await tx.branches.page(conversation.id, number, after=after, limit=limit)

    async def configure_generation(self, principal: Principal, key: str, changes: GenerationConfig) -> GenerationConfig:
        """Set what runs of the thread start with. Raises `UnknownModel`, `ConversationNotFound`."""
        if changes.model is not None:
            self._models.resolve(changes.model)

        def change(old: Conversation) -> Conversation:
            generation = old.generation.overridden_by(changes)
            return replace(old, generation=generation, model=generation.model or old.model)

        return (await self._change(principal, key, change)).conversation.generation

    async def configure_settings(self, principal: Principal, key: str, changes: SettingsChange) -> Settings:
        """Set what is given. Raises `ConversationNotFound`, `InvalidField` for a tool server that the caller does not
        have and for a schema that is none, and what `Guard.check` raises: all of it is told to the model."""
        tools = changes.client_tools or ()
        described = [text for tool in tools for text in (tool.description, tool.input_schema)]
        await self._guard.check(changes.system_prompt or "", *described)
        self._check_servers(principal.owner, changes.mcp_servers or ())
        if tools:
            canonical = await checked(self._schemas, tools, field="settings.client_tools.tools")
            changes = replace(changes, client_tools=canonical)

        def change(old: Conversation) -> Conversation:
            return replace(old, settings=changes.applied_to(old.settings))

        return (await self._change(principal, key, change)).conversation.settings

    async def configure_context(
        self, principal: Principal, key: str, *, strategy: ContextStrategy | None, max_history_messages: int | None
    ) -> ContextManagement:
        """Set how the history is fitted into a model request. Raises `ConversationNotFound`."""

        def change(old: Conversation) -> Conversation:
            context = ContextManagement(
                strategy=strategy or old.context_management.strategy,
                max_history_messages=max_history_messages or old.context_management.max_history_messages,
            )
            return replace(old, context_management=context)

        return (await self._change(principal, key, change)).conversation.context_management

    def _check_servers(self, owner: Owner, names: Sequence[str]) -> None:
        """Raise `InvalidField` for each name that is no server's of the tenant."""
        known = {server.name for server in self._servers.servers(owner.tenant)}
        unknown = [
            FieldViolation(f"settings.mcp_servers.names[{place}]", f"no tool server is called {name!r}")
            for place, name in enumerate(names)
            if name not in known
        ]
        if unknown:
            raise InvalidField(unknown)

    async def _change(
        self, principal: Principal, key: str, change: Callable[[Conversation], Conversation]
    ) -> ConversationSummary:
        async def unit(tx: Transaction) -> ConversationSummary:
            old = await lock(tx, key)
            new = await save(tx, principal, old, change(old), now=self._clock.now())
            return await _summary(tx, new)

        return (
            await self._repeats.write(principal, ConversationSummary, unit, of=lambda summary: summary.conversation.id)
        ).result


async def _summary(tx: Transaction, conversation: Conversation) -> ConversationSummary:
    active = await tx.runs.active(conversation.id)
    return ConversationSummary(conversation, active_state=active.state if active else None)


def _position(conversation: Conversation) -> ListPosition:
    return ListPosition(time=conversation.updated_at, id=conversation.id)
