"""Callers who do what the dice say, and remember what they were told."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from server.application.revisions import Edit, Regeneration
from server.application.runs import SendMessage
from server.application.threads import SettingsChange
from server.application.tool_answers import ClientResult, ToolDecision
from server.domain.conversation import InterruptPolicy
from server.domain.errors import (
    ConversationKeyTaken,
    CursorInFuture,
    NotFound,
    ParleyError,
    QueueFull,
    ShuttingDown,
    StoreUnavailable,
)
from server.domain.events import Event
from server.domain.history_errors import RunActive
from server.domain.ids import ConversationId, RunId
from server.domain.message import Message, Role
from server.domain.run import PLAIN, Run, RunOptions, RunState
from server.domain.tool import ToolSpec
from server.domain.tool_call_errors import ToolCallAlreadyDecided, ToolCallAlreadyEnded
from tests.integration.engine.random_provider import RandomProvider
from tests.support.house import ANNA, House

ALWAYS_QUEUE = ("calm-1", "calm-2")
ANY_POLICY = ("wild-1", "wild-2", "\x00 key\x1f/?é")
KEYS = (*ALWAYS_QUEUE, *ANY_POLICY)
IMAGE = RunOptions(image=True)
TOOLS = SettingsChange(
    mcp_servers=("bank",),
    client_tools=(ToolSpec("beep", "", '{"properties":{"n":{"type":"integer"}},"type":"object"}'),),
)
"""What the conversations have."""
_REFUSALS = (
    *(NotFound, QueueFull, ShuttingDown, StoreUnavailable, ConversationKeyTaken, RunActive),
    *(ToolCallAlreadyDecided, ToolCallAlreadyEnded),
)
_POLICIES = (InterruptPolicy.QUEUE, InterruptPolicy.INTERRUPT)


@dataclass
class View:
    """What a caller saw of a conversation, or of one run in it, behind a cursor."""

    conversation_id: ConversationId
    run_id: RunId | None
    after: int
    seen: list[Event] = field(default_factory=list)


@dataclass
class Ledger:
    """What callers sent, what they were told, and what they saw."""

    sent: set[str] = field(default_factory=set)
    accepted: dict[str, Run] = field(default_factory=dict)
    """By content: the run that a send was answered with."""
    deleted: set[str] = field(default_factory=set)
    """Keys of conversations that somebody may have deleted."""
    views: list[View] = field(default_factory=list)


class Caller:
    """One client of one house after the other."""

    def __init__(self, random: Random, provider: RandomProvider, ledger: Ledger, numbers: "count[int]") -> None:
        self._random = random
        self._provider = provider
        self._ledger = ledger
        self._numbers = numbers
        self._commands: list[SendMessage] = []

    async def act(self, house: House) -> None:
        """Do one thing. Refusals are part of it."""
        deeds: dict[Callable[[House], Awaitable[None]], int] = {
            self._send: 8,
            self._send_again: 3,
            self._edit: 3,
            self._regenerate: 3,
            self._switch: 2,
            self._fork: 1,
            self._cancel: 3,
            self._view: 6,
            self._set_policy: 2,
            self._decide: 6,
            self._return_results: 3,
            self._release: 6,
            self._delete: 1,
        }
        (deed,) = self._random.choices(list(deeds), weights=list(deeds.values()))
        with suppress(*_REFUSALS):
            await deed(house)

    async def _send(self, house: House) -> None:
        number = next(self._numbers)
        request_id = f"request {number}" if self._random.random() < 0.4 else ""
        options = IMAGE if self._random.random() < 0.15 else PLAIN
        command = SendMessage(self._random.choice(KEYS), f"message {number}", request_id, options=options)
        if request_id:
            self._commands.append(command)
        await self._sent(house, command)

    async def _send_again(self, house: House) -> None:
        if self._commands:
            await self._sent(house, self._random.choice(self._commands))

    async def _sent(self, house: House, command: SendMessage) -> None:
        self._ledger.sent.add(command.content)
        run = await self._perhaps(house.runs.send(ANNA, command))
        if run is None:
            return
        assert run.state in (RunState.RUNNING, RunState.QUEUED)
        known = self._ledger.accepted.setdefault(command.content, run)
        assert known.id == run.id or command.conversation_key in self._ledger.deleted, "one request id made two runs"
        assert known.id != run.id or known.state == run.state, "a repeated send was answered otherwise"
        self._ledger.accepted[command.content] = run

    async def _edit(self, house: House) -> None:
        key = self._random.choice(KEYS)
        asked = await self._message(house, key, Role.USER)
        if asked is None:
            return
        number = next(self._numbers)
        request_id = f"request {number}" if self._random.random() < 0.4 else ""
        policy = self._policy(key)
        command = SendMessage(key, f"edit {number}", request_id, interrupt_policy=policy, revision=Edit(asked.id))
        if request_id:
            self._commands.append(command)
        await self._sent(house, command)

    async def _regenerate(self, house: House) -> None:
        key = self._random.choice(KEYS)
        answer = await self._message(house, key, Role.ASSISTANT) if self._random.random() < 0.5 else None
        revision = Regeneration(answer.id if answer else None)
        command = SendMessage(key, "", interrupt_policy=self._policy(key), revision=revision)
        run = await self._perhaps(house.runs.send(ANNA, command))
        assert run is None or run.state is RunState.RUNNING

    async def _switch(self, house: House) -> None:
        key = self._random.choice(KEYS)
        branches = (await house.branches.page(ANNA.owner, key, page_size=0, page_token="")).items
        await self._perhaps(house.branches.switch(ANNA, key, self._random.choice(branches).branch.number))

    async def _fork(self, house: House) -> None:
        key = self._random.choice(KEYS)
        last = await self._message(house, key, self._random.choice((Role.USER, Role.ASSISTANT)))
        upto = last.id if last else None
        fork = house.forks.fork(ANNA, key, upto=upto, new_key=f"fork {next(self._numbers)}", name="")
        await self._perhaps(fork)

    async def _message(self, house: House, key: str, role: Role) -> Message | None:
        """A message of a role, of any branch."""
        branches = (await house.branches.page(ANNA.owner, key, page_size=0, page_token="")).items
        number = self._random.choice(branches).branch.number
        page = await house.threads.messages(ANNA.owner, key, page_size=1000, page_token="", branch=number)
        found = [message for message in page.items if message.role is role]
        return self._random.choice(found) if found else None

    def _policy(self, key: str) -> InterruptPolicy | None:
        return self._random.choice((None, *_POLICIES)) if key in ANY_POLICY else None

    async def _cancel(self, house: House) -> None:
        if self._ledger.accepted:
            run = self._random.choice(list(self._ledger.accepted.values()))
            over = await self._perhaps(house.runs.cancel(ANNA, run.id))
            assert over is None or over.state.is_terminal

    async def _view(self, house: House) -> None:
        """Follow a conversation, or one run in it, from somewhere for a while."""
        if not self._ledger.accepted:
            return
        run = self._random.choice(list(self._ledger.accepted.values()))
        conversation = (await house.threads.state(ANNA.owner, run.conversation_key)).conversation
        after = self._random.randint(0, conversation.last_sequence)
        if conversation.id != run.conversation_id:
            return
        if self._random.random() < 0.5:
            view = View(conversation.id, run.id, after)
            stream = house.streams.run(ANNA.owner, run.id, after=after)
        else:
            view = View(conversation.id, None, after)
            stream = house.streams.watch(ANNA.owner, conversation.key, after=after)
        self._ledger.views.append(view)
        beats, patience = 0, self._random.randrange(20)
        try:
            async with aclosing(stream) as events:
                async for event in events:
                    view.seen += [event] if isinstance(event, Event) else []
                    beats += event is None
                    if beats > 1 or len(view.seen) > patience:
                        break
        except CursorInFuture:
            assert conversation.key in self._ledger.deleted, "a cursor that was good is so no more"

    async def _set_policy(self, house: House) -> None:
        await house.threads.configure_settings(
            ANNA, self._random.choice(ANY_POLICY), SettingsChange(interrupt_policy=self._random.choice(_POLICIES))
        )

    async def _decide(self, house: House) -> None:
        """Permit or deny some of what waits for a person."""
        key = self._random.choice(KEYS)
        pending = await house.approvals.pending(ANNA.owner, key)
        chosen = self._random.sample(pending, self._random.randrange(len(pending) + 1))
        if chosen:
            said = [ToolDecision(each.call.id, self._random.random() < 0.7, "no reason") for each in chosen]
            await self._perhaps(house.approvals.decide(ANNA, key, said))

    async def _return_results(self, house: House) -> None:
        """Answer some of what waits for the client."""
        key = self._random.choice(KEYS)
        waiting = (await house.threads.state(ANNA.owner, key)).pending_client_calls
        chosen = self._random.sample(waiting, self._random.randrange(len(waiting) + 1))
        if chosen:
            said = [ClientResult(call.id, "\x00 result é", self._random.random() < 0.2) for call in chosen]
            await self._perhaps(house.approvals.submit(ANNA, key, said))

    async def _release(self, house: House) -> None:
        self._provider.open_gate()

    async def _delete(self, house: House) -> None:
        key = self._random.choice(KEYS)
        self._ledger.deleted.add(key)
        await self._perhaps(house.threads.delete(ANNA, key))
        await house.threads.create(ANNA, name="", key=key)
        await house.threads.configure_settings(ANNA, key, TOOLS)

    async def _perhaps(self, call: Coroutine[Any, Any, Any]) -> Any:
        """The result of a call, or `None` when the caller has left before it came."""
        if self._random.random() < 0.8:
            return await call
        task = asyncio.create_task(call)
        for _ in range(self._random.randrange(30)):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError, ParleyError):
            return await task
        return None
