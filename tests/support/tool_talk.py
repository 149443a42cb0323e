"""Talking with a model that asks for tools: what a script says, and looking at what became of it."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from server.adapters.tools.server_config import ToolServerConfig
from server.application.threads import SettingsChange
from server.domain.errors import ConversationKeyTaken
from server.domain.events import Event, Payload, RunPaused
from server.domain.ids import ToolCallId
from server.domain.message import Message, Role
from server.domain.run import Run
from server.domain.tool import ToolCallState, ToolInvocation, ToolSpec
from server.ports.provider import RequestedCall, ToolCallsPiece
from server.ports.store import Transaction
from tests.support.house import ANNA, House, open_house
from tests.support.scripted_provider import ScriptedProvider

NUMBERS = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
"""A schema with one rule to break."""


def calls(*asked: tuple[str, Any]) -> ToolCallsPiece:
    """Tool calls of an answer: names, and arguments as JSON values or as texts."""
    return ToolCallsPiece(
        tuple(
            RequestedCall(f"p{place}", name, said if isinstance(said, str) else json.dumps(said))
            for place, (name, said) in enumerate(asked)
        )
    )


def spec(name: str, description: str = "", schema: Any = None) -> ToolSpec:
    """A tool of the client."""
    return ToolSpec(name, description, json.dumps(schema or {"type": "object"}))


@asynccontextmanager
async def tool_house(
    folder: Path,
    provider: ScriptedProvider,
    *tools: ToolServerConfig,
    client_tools: tuple[ToolSpec, ...] = (),
    **more: Any,
) -> AsyncIterator[House]:
    """A house whose thread `talk` has all tools of these servers, and those of the client; it may be there already."""
    async with open_house(folder, provider, tools=tools, **more) as house:
        await open_talk(house, "talk", *(tool.name for tool in tools), client_tools=client_tools)
        yield house


async def open_talk(house: House, key: str, *servers: str, client_tools: tuple[ToolSpec, ...] = ()) -> None:
    """Make a thread with tools, unless it is there."""
    try:
        await house.threads.create(ANNA, name="Talk", key=key)
    except ConversationKeyTaken:
        return
    await house.threads.configure_settings(ANNA, key, SettingsChange(mcp_servers=servers, client_tools=client_tools))


async def history(house: House, key: str = "talk") -> list[Message]:
    """The thread's history."""
    return (await house.threads.state(ANNA.owner, key)).messages


async def results(house: House, key: str = "talk") -> list[str]:
    """The texts of all tool messages."""
    return [message.content for message in await history(house, key) if message.role is Role.TOOL]


async def ledger(house: House, run: Run) -> list[ToolInvocation]:
    """The calls of a run's conversation, in the order in which the model asked."""
    asked = [call.id for message in await history(house, run.conversation_key) for call in message.tool_calls]

    async def unit(tx: Transaction) -> list[ToolInvocation | None]:
        return [await tx.tool_calls.get(run.conversation_id, ToolCallId(call_id)) for call_id in asked]

    return [call for call in await house.store.read(run.owner, unit) if call is not None]


async def states(house: House, run: Run) -> list[ToolCallState]:
    """Where the calls of a run's conversation stand."""
    return [call.state for call in await ledger(house, run)]


async def paused(house: House, run: Run, *, after: int = 0) -> list[Event]:
    """The events of a run behind a sequence up to its next pause, once it has come."""
    seen: list[Event] = []
    async with aclosing(house.streams.run(run.owner, run.id, after=after)) as events:
        async for event in events:
            seen += [event] if isinstance(event, Event) else []
            if isinstance(event, Event) and isinstance(event.payload, RunPaused):
                return seen
    raise AssertionError(f"the run ended: {seen[-1].payload}")


async def waiting(house: House, run: Run, *, after: int = 0) -> list[ToolCallId]:
    """The calls that wait for a person or the client, once the run is parked."""
    await paused(house, run, after=after)
    state = await house.threads.state(run.owner, run.conversation_key)
    return [each.call.id for each in state.pending_approvals] + [call.id for call in state.pending_client_calls]


async def told(house: House, run: Run, kind: type[Payload]) -> list[Any]:
    """The payloads of one kind of a run that is over."""
    return [event.payload for event in await house.events(run) if isinstance(event.payload, kind)]
