"""Opens a session over a wire: the protocol's handshake, through the SDK."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import Implementation, InitializeResult

from server.adapters.tools.inbox import Inbox, NotSent, Outbox, Questions, Wire
from server.adapters.tools.server_config import ToolServerConfig
from server.adapters.tools.session import Session
from server.ports.system import Clock
from server.ports.tools import ToolSchemas, ToolServerUnavailable

_CLIENT: Final = Implementation(name="parley", version="1")


@asynccontextmanager
async def opened_session(
    config: ToolServerConfig, wire: Wire, *, over: asyncio.Event, schemas: ToolSchemas, clock: Clock
) -> AsyncGenerator[Session, None]:
    """The session after its handshake; `over` is set once the server has gone. No capability is declared, and the SDK
    refuses whatever a server asks for without: sampling, elicitation, roots. Raises `ToolServerUnavailable`."""
    session: Session | None = None

    def forget_tools() -> None:
        if session is not None:
            session.forget_tools()

    questions = Questions()
    inbox = Inbox(wire.receive, server=config.name, questions=questions, over=over, on_tools_changed=forget_tools)
    dispatcher = JSONRPCDispatcher(inbox, Outbox(wire.send, questions=questions, over=over))
    async with ClientSession(dispatcher=dispatcher, client_info=_CLIENT) as client:
        session = Session(
            config=config,
            dispatcher=dispatcher,
            greeting=await _greeted(client, config.name, wire),
            schemas=schemas,
            clock=clock,
            over=over,
        )
        try:
            yield session
        finally:
            # Before those who wait hear that the connection is closed: they ask this why.
            over.set()


async def _greeted(client: ClientSession, name: str, wire: Wire) -> InitializeResult:
    try:
        return await client.initialize()
    except (MCPError, NotSent, RuntimeError, ValueError) as error:
        # The error's own text is a stranger's, and may quote what was sent.
        cause = wire.refusal() or f"the tool server {name!r} {_cause(error)}"
        raise ToolServerUnavailable(name, cause) from None


def _cause(error: Exception) -> str:
    match error:
        case MCPError() | NotSent():
            return "ended, cannot be reached, or refused to be spoken to"
        case RuntimeError():
            return "speaks a version of the protocol that is not known here"
    return "answered the greeting with something that is no answer"
