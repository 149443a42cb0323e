"""Looks at the tool servers for a run: what its model may ask for, and what a tool is right now."""

import asyncio
from collections.abc import Sequence

import structlog

from server.application.tool_offer import Offer, offer_of
from server.domain.conversation import Settings
from server.domain.limits import Limits
from server.domain.run import Run
from server.domain.tool import ServerTool, ToolInvocation
from server.domain.tool_errors import UnknownToolServer
from server.ports.tools import ToolServers, ToolServerUnavailable

_log = structlog.get_logger(__name__)


class ToolGone(Exception):
    """There is no such tool any more. `message` is for the model."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.message = f"the tool {name!r} is not there any more."


class Toolbox:
    """Keeps nothing: a server's definitions are kept where it is connected."""

    def __init__(self, *, servers: ToolServers, limits: Limits) -> None:
        self._servers = servers
        self._limits = limits

    async def offer(self, run: Run, settings: Settings) -> Offer:
        """The tools of the next model request. A server that cannot be asked now is left out: that is no reason to
        leave its user without an answer."""
        if run.options.image:
            return Offer()
        found = await asyncio.gather(*(self._tools(run, name) for name in settings.mcp_servers))
        offer = offer_of(
            settings,
            run.options,
            [tool for tools in found for tool in tools],
            most=self._limits.tools_offered,
            is_open=run.rounds < self._limits.tool_rounds,
        )
        if offer.left_out:
            _log.warning("tools_left_out", run=run.id, count=offer.left_out)
        return offer

    async def tool(self, run: Run, call: ToolInvocation) -> ServerTool:
        """The tool of a server's call as it is now. Raises `ToolGone`, `ToolServerUnavailable`."""
        try:
            tools = await self._servers.tools(run.owner.tenant, call.server or "")
        except UnknownToolServer:
            raise ToolGone(call.name) from None
        for tool in tools:
            if tool.tool == call.tool:
                return tool
        raise ToolGone(call.name)

    async def _tools(self, run: Run, name: str) -> Sequence[ServerTool]:
        try:
            return await self._servers.tools(run.owner.tenant, name)
        except UnknownToolServer:
            cause = "it is not configured any more"
        except ToolServerUnavailable as unavailable:
            cause = unavailable.message
        _log.warning("tool_server_left_out", run=run.id, server=name, cause=cause)
        return ()
