"""A state machine drives the service and a model of it side by side; after every step both must say the same.

    EXAMPLES=300 pytest tests/integration/engine/test_model.py

plays more examples than the usual few.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from server.application.threads import SettingsChange
from server.domain.conversation import InterruptPolicy
from server.domain.errors import CursorInFuture, QueueFull
from server.domain.events import AttemptReset, Event, RunEnded, TextDelta
from server.domain.run import Run, RunState
from server.ports.provider import ProviderError
from tests.integration.engine.hooked_store import HookedStore, hooked_house
from tests.integration.engine.puppet_provider import PuppetProvider
from tests.support.house import ANNA, QUICK, House
from tests.support.invariants import check_invariants

pytestmark = pytest.mark.timeout(600)

Result = TypeVar("Result")

_QUEUE = 3
_ATTEMPTS = 3
# Nothing lapses by itself: time does not pass while no step is taken.
_LIMITS = replace(
    QUICK,
    lease=timedelta(hours=1),
    lease_heartbeat=timedelta(milliseconds=20),
    stream_heartbeat=timedelta(milliseconds=20),
    delta_interval=timedelta(milliseconds=1),
    queue_per_conversation=_QUEUE,
    run_attempts=_ATTEMPTS,
)
_STATUS = {
    RunState.COMPLETED: "COMPLETE",
    RunState.FAILED: "FAILED",
    RunState.CANCELLED: "INTERRUPTED",
    RunState.INTERRUPTED: "INTERRUPTED",
}


@dataclass
class Message:
    """What the model knows of a message that was sent, and of its run."""

    content: str
    run: Run
    state: RunState
    said: str = ""
    attempt: int = 0


@dataclass
class Viewer:
    """Somebody who watches now and then."""

    seen: list[Event] = field(default_factory=list)

    @property
    def cursor(self) -> int:
        return self.seen[-1].sequence if self.seen else 0


class ServiceMachine(RuleBasedStateMachine):
    """One conversation: what is sent, said, ended, watched and crashed in it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="parley-model-"))
        self.provider = PuppetProvider()
        self.policy = InterruptPolicy.QUEUE
        self.sent: list[Message] = []
        self.queue: list[Message] = []
        self.active: Message | None = None
        self.history: list[tuple[str, str, str]] = []
        self.viewers = [Viewer() for _ in range(3)]

    # The service.

    @initialize()
    def open(self) -> None:
        self.play(self._open())
        self.play(self.house.threads.create(ANNA, name="", key="talk"))

    def play(self, work: Coroutine[Any, Any, Result]) -> Result:
        async def bounded() -> Result:
            async with asyncio.timeout(30):
                return await work

        return self.runner.run(bounded())

    async def _open(self) -> None:
        """Open a house in a task of its own, which lives from step to step."""
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[tuple[House, HookedStore]] = loop.create_future()
        self.closing = asyncio.Event()

        async def live(closing: asyncio.Event) -> None:
            async with hooked_house(self.folder, self.provider, limits=_LIMITS) as (house, store):
                opened.set_result((house, store))
                await closing.wait()

        self.living = loop.create_task(live(self.closing))
        self.house, self.store = await opened

    def teardown(self) -> None:
        async def close() -> None:
            self.closing.set()
            await self.living

        try:
            if hasattr(self, "living"):
                self.play(close())
                check_invariants(self.folder / "house.db", settled=False)
        finally:
            self.runner.close()
            shutil.rmtree(self.folder)

    # The model.

    def begin(self, message: Message) -> None:
        message.state, message.attempt = RunState.RUNNING, 1
        self.active = message
        self.history.append(("user", message.content, "COMPLETE"))
        self.play(self.provider.asked(message.content, 1))

    def end(self, state: RunState) -> None:
        """The active run is over; what it said stays."""
        assert self.active is not None
        self.active.state = state
        if self.active.said or state is RunState.COMPLETED:
            self.history.append(("assistant", self.active.said, _STATUS[state]))
        self.active = None

    def next(self) -> None:
        if self.queue:
            self.begin(self.queue.pop(0))

    # The steps.

    @rule(policy=st.sampled_from((InterruptPolicy.QUEUE, InterruptPolicy.INTERRUPT)))
    def set_policy(self, policy: InterruptPolicy) -> None:
        configured = self.house.threads.configure_settings(ANNA, "talk", SettingsChange(interrupt_policy=policy))
        self.play(configured)
        self.policy = policy

    @rule()
    def send(self) -> None:
        content = f"message {len(self.sent)}"
        interrupts = self.policy is InterruptPolicy.INTERRUPT
        if not interrupts and self.active and len(self.queue) == _QUEUE:
            with pytest.raises(QueueFull):
                self.play(self.house.send(content, request_id=content))
            return
        run = self.play(self.house.send(content, request_id=content))
        message = Message(content, run, run.state)
        self.sent.append(message)
        if self.active and not interrupts:
            assert run.state is RunState.QUEUED
            self.queue.append(message)
            return
        assert run.state is RunState.RUNNING
        if self.active:
            self.end(RunState.INTERRUPTED)
        self.begin(message)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.sent))
        again = self.play(self.house.send(message.content, request_id=message.content))
        assert (again.id, again.state) == (message.run.id, message.run.state)

    @precondition(lambda self: self.active)
    @rule(word=st.sampled_from(("word ", "слово ", "🙂", "\n", "two words ")))
    def speak(self, word: str) -> None:
        message = self.active
        assert message is not None
        self.provider.say(message.content, word)
        message.said += word
        self.play(self._stored(message))

    async def _stored(self, message: Message) -> None:
        said = ""
        async with aclosing(self.house.streams.run(ANNA.owner, message.run.id, after=0)) as events:
            async for event in events:
                if isinstance(event, Event) and isinstance(event.payload, TextDelta):
                    said = said + event.payload.text if event.epoch == message.attempt else ""
                if said == message.said:
                    return

    @precondition(lambda self: self.active)
    @rule()
    def finish(self) -> None:
        self._let_end(None, RunState.COMPLETED)

    @precondition(lambda self: self.active)
    @rule()
    def break_off(self) -> None:
        self._let_end(ProviderError("PROVIDER_UNAVAILABLE", "out of order", retryable=True), RunState.FAILED)

    def _let_end(self, line: Exception | None, state: RunState) -> None:
        message = self.active
        assert message is not None
        self.provider.say(message.content, line)
        assert self.play(self.house.ended(message.run)).state is state
        self.end(state)
        self.next()

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.sent))
        cancelled = self.play(self.house.runs.cancel(ANNA, message.run.id))
        if message is self.active:
            self.end(RunState.CANCELLED)
            self.next()
        elif message in self.queue:
            self.queue.remove(message)
            message.state = RunState.CANCELLED
        assert cancelled.state is message.state

    @rule()
    def crash(self) -> None:
        """The process is gone from one moment to the next; another one takes up its work."""

        async def restart() -> None:
            self.store.gone = True
            self.closing.set()
            await self.living
            await self._open()
            await self.house.store.write_system(lambda tx: tx.void_leases())

        self.play(restart())
        message = self.active
        if message is None:
            return
        if message.attempt == _ATTEMPTS:
            assert self.play(self.house.ended(message.run)).reason == "ATTEMPTS_EXHAUSTED"
            self.end(RunState.FAILED)
            self.next()
            return
        message.attempt += 1
        message.said = ""
        self.play(self.provider.asked(message.content, message.attempt))

    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        """A viewer comes back, sees what it has not seen, and leaves: with the first event, or with all."""
        viewer = data.draw(st.sampled_from(self.viewers))
        patience = data.draw(st.integers(1, 12))

        async def seen() -> list[Event]:
            found: list[Event] = []
            async with aclosing(self.house.streams.watch(ANNA.owner, "talk", after=viewer.cursor)) as events:
                async for event in events:
                    if not isinstance(event, Event):
                        break
                    found.append(event)
                    if len(found) == patience:
                        break
            return found

        viewer.seen += self.play(seen())

    @rule(beyond=st.integers(1, 1000))
    def look_into_the_future(self, beyond: int) -> None:
        last = self.play(self.house.threads.state(ANNA.owner, "talk")).conversation.last_sequence

        async def first() -> object:
            async with aclosing(self.house.streams.watch(ANNA.owner, "talk", after=last + beyond)) as events:
                return await anext(events)

        with pytest.raises(CursorInFuture):
            self.play(first())

    # What must hold after each.

    @invariant()
    def the_service_says_what_the_model_says(self) -> None:
        if not hasattr(self, "house"):
            return
        state = self.play(self.house.threads.state(ANNA.owner, "talk"))
        said = [(message.role.value, message.content, message.status.value) for message in state.messages]
        assert said == self.history
        assert [message.content for message in state.queued_messages] == [message.content for message in self.queue]
        active = state.active_run
        assert (active.id if active else None) == (self.active.run.id if self.active else None)
        runs = self.play(self.house.runs.page(ANNA.owner, "talk", page_size=1000, page_token="")).items
        assert {run.id: run.state for run in runs} == {message.run.id: message.state for message in self.sent}

    @invariant()
    def viewers_saw_the_log(self) -> None:
        if not any(viewer.seen for viewer in self.viewers):
            return
        last = max(viewer.cursor for viewer in self.viewers)
        log = self.play(self._log(last))
        for viewer in self.viewers:
            assert viewer.seen == log[: viewer.cursor]
        ends = [event.run_id for event in log if isinstance(event.payload, RunEnded)]
        assert len(ends) == len(set(ends))
        assert all(event.epoch == event.payload.attempt for event in log if isinstance(event.payload, AttemptReset))

    async def _log(self, last: int) -> list[Event]:
        conversation = (await self.house.threads.state(ANNA.owner, "talk")).conversation
        events = await self.house.store.read(ANNA.owner, lambda tx: tx.events.after(conversation.id, 0, limit=last))
        return list(events)


TestService = ServiceMachine.TestCase
TestService.settings = settings(
    max_examples=int(os.environ.get("EXAMPLES", "12")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
