"""One sitting at the terminal: finds the server and the key, then sends messages and shows answers until it is over."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

import grpc
from parley.v1.event_pb2 import Event
from parley.v1.run_pb2 import RUN_STATUS_RUNNING

from server.cli.chat.client import ChatClient
from server.cli.chat.terminal import Terminal
from server.cli.chat.tls import credentials
from server.cli.data_directory import DataDirectory
from server.config import ClientSettings, Settings
from server.failure import CommandFailed

_NAME_CHARACTERS: Final = 60
_STATUS_COMPLETED: Final = "COMPLETED"
_DEFAULT_NAME: Final = "Terminal"


def chat(message: str | None, client: ClientSettings, settings: Settings, *, thread_key: str | None) -> bool:
    """Send one message (given, or all of a standard input that is no terminal) or hold a conversation; False when the
    one answer is not whole, which has been said then.

    Raises `CommandFailed` when there is no server or no key, or the key is refused.
    """
    destination = _destination(client, settings)
    terminal = Terminal()
    if message is None and not terminal.is_interactive:
        message = sys.stdin.read().strip()
    if message is not None and not message.strip():
        raise CommandFailed("There is no message: give one as an argument or on standard input.")
    with asyncio.Runner() as runner:
        sitting = runner.run(_sit_down(destination, terminal, thread_key, name=message or _DEFAULT_NAME))
        try:
            if message is not None:
                return runner.run(sitting.answer(message))
            sitting.converse(runner)
            return True
        finally:
            runner.run(sitting.leave())


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom to talk to and as whom."""

    server: str
    key: str = field(repr=False)
    credentials: grpc.ChannelCredentials | None = None
    """TLS; `None`: nothing is encrypted."""


class Sitting:
    """A thread, talked to through one connection."""

    def __init__(self, client: ChatClient, connection: AsyncExitStack, terminal: Terminal, thread_key: str) -> None:
        self._client = client
        self._connection = connection
        self._terminal = terminal
        self._thread_key = thread_key

    def converse(self, runner: asyncio.Runner) -> None:
        """Ask for messages and answer them until the person leaves. The prompt itself runs outside the loop, so that
        Ctrl-C there is the terminal's own."""
        while (text := self._terminal.ask()) is not None:
            if text:
                try:
                    runner.run(self.answer(text))
                except CommandFailed as failure:
                    self._terminal.fail(str(failure))
        self._terminal.note(f"resume with: parley chat --thread {self._thread_key}")

    async def answer(self, text: str) -> bool:
        """Send a message and show its answer; whether it is whole."""
        return await self._show(self._client.answer(self._thread_key, text))

    async def finish(self, run_id: str) -> None:
        """Show the answer that was under way when the sitting began."""
        await self._show(self._client.follow(run_id))

    async def leave(self) -> None:
        """Close the connection."""
        await self._connection.aclose()

    async def _show(self, events: AsyncGenerator[Event | None, None]) -> bool:
        """Show a run to its end; whether it completed. The first Ctrl-C cancels the run, a second one leaves."""
        run_id: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as group:
                canceller = group.create_task(self._cancel_on_interrupt(run_id))
                completed = await self._relay(events, run_id)
                canceller.cancel()
        except* CommandFailed as failures:
            raise failures.exceptions[0] from None
        return completed

    async def _relay(self, events: AsyncGenerator[Event | None, None], run_id: asyncio.Future[str]) -> bool:
        completed = False
        async with contextlib.aclosing(events):
            async for event in events:
                self._terminal.show(event)
                if event is not None:
                    completed = event.run_ended.status == _STATUS_COMPLETED
                    if not run_id.done():
                        run_id.set_result(event.run_id)
        return completed

    async def _cancel_on_interrupt(self, run_id: asyncio.Future[str]) -> None:
        loop = asyncio.get_running_loop()
        interrupted = asyncio.Event()
        loop.add_signal_handler(signal.SIGINT, interrupted.set)
        try:
            await interrupted.wait()
        finally:
            loop.remove_signal_handler(signal.SIGINT)
        await self._client.cancel(await run_id)


async def _sit_down(to: Destination, terminal: Terminal, thread_key: str | None, *, name: str) -> Sitting:
    """Connect and open the thread; what is under way there is shown to its end."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ChatClient(to.server, to.key, to.credentials))
        state = await client.open_thread(thread_key, name=" ".join(name.split())[:_NAME_CHARACTERS])
        sitting = Sitting(client, stack.pop_all(), terminal, state.conversation_key)
    if terminal.is_interactive:
        terminal.note(f"thread {state.conversation_key} on {to.server}; Ctrl-C ends an answer, at the prompt it leaves")
        terminal.show_history(state.messages)
        if state.active_run.status == RUN_STATUS_RUNNING:
            await sitting.finish(state.active_run.id)
    return sitting


def _destination(client: ClientSettings, settings: Settings) -> Destination:
    """Whom to talk to, with which key and how: as told, else as the data directory says."""
    directory = DataDirectory(settings.data)
    running = directory.read_addresses()
    key = client.key.get_secret_value() if client.key else directory.read_development_key()
    if not key:
        raise CommandFailed(
            f"There is no API key in {directory.path}. "
            "Give one with --key or PARLEY_KEY, or the server's directory with --data."
        )
    # What the directory says of its own server is not said of another.
    own = running if client.server is None or (running and client.server == running.grpc) else None
    server = client.server or (own.grpc if own else str(settings.grpc))
    return Destination(server, key, credentials(client, server_has_tls=own is not None and own.tls))
