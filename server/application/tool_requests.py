"""What becomes of the tool calls that a model asks for: which may be made, which have to wait, which are refused."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from server.application.tool_offer import Offer, Tool
from server.domain import tool_texts
from server.domain.ids import MessageId, ToolCallId
from server.domain.message import ToolCall
from server.domain.run import Run
from server.domain.tool import ServerTool, ToolCallState, ToolInvocation, ToolPolicy, ToolSpec
from server.ports.provider import RequestedCall
from server.ports.tools import InvalidArguments, ToolSchemas

_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_CHARACTERS: Final = 64
_NAMELESS: Final = "unnamed"


@dataclass(frozen=True, slots=True)
class JudgedCall:
    """A call that a model asked for, and what becomes of it."""

    id: ToolCallId
    requested: RequestedCall
    tool: Tool | None
    """`None`: there is no such tool."""
    state: ToolCallState
    refusal: str = ""
    """What the model is told instead of a result, when it is REFUSED."""

    @property
    def shown(self) -> ToolCall:
        """As the message that asks for it holds it. Providers take no other names than these, not even of what their
        model wrote."""
        name = _FOREIGN.sub("_", self.requested.name)[:_NAME_CHARACTERS] or _NAMELESS
        return ToolCall(self.id, name, self.requested.arguments, self.requested.provider_id or None)

    @property
    def served(self) -> ServerTool | None:
        """The server's tool that it calls; `None` for one of the client, too."""
        return self.tool if isinstance(self.tool, ServerTool) else None

    @property
    def definition_digest(self) -> str:
        """Of the tool as the model saw it."""
        spec = self.served.spec if self.served else self.tool
        return spec.digest if isinstance(spec, ToolSpec) else ""

    @property
    def waits(self) -> bool:
        """Whether it waits for a person or the client."""
        return self.state in (ToolCallState.AWAITING_APPROVAL, ToolCallState.AWAITING_CLIENT)


class ToolRequests:
    """Judges calls. Holds arguments against schemas, which may take milliseconds: not for the inside of a unit."""

    def __init__(self, *, schemas: ToolSchemas, new_id: Callable[[], ToolCallId], most: int) -> None:
        self._schemas = schemas
        self._new_id = new_id
        self._most = most

    def judged(self, calls: Sequence[RequestedCall], offer: Offer, *, is_cut: bool) -> list[JudgedCall]:
        """Every call of an answer, or the first so many, in order. Of an answer that `is_cut` none is made, nor of one
        that asks for too many."""
        refusal = tool_texts.CUT if is_cut else tool_texts.too_many(self._most) if len(calls) > self._most else ""
        return [self._judged(call, offer.tools.get(call.name), refusal) for call in calls[: self._most]]

    def _judged(self, call: RequestedCall, tool: Tool | None, refusal: str) -> JudgedCall:
        refusal = refusal or self._refusal(call, tool)
        state = ToolCallState.REFUSED if refusal else _first_state(tool)
        return JudgedCall(self._new_id(), call, tool, state, refusal)

    def _refusal(self, call: RequestedCall, tool: Tool | None) -> str:
        if tool is None:
            return tool_texts.unknown_tool(call.name)
        if isinstance(tool, ServerTool) and tool.policy is ToolPolicy.DENY:
            return tool_texts.FORBIDDEN
        try:
            self._schemas.arguments(schema_of(tool), call.arguments)
        except InvalidArguments as invalid:
            return tool_texts.not_made(invalid.message)
        return ""


def schema_of(tool: Tool) -> str:
    """The JSON Schema of its arguments."""
    return (tool.spec if isinstance(tool, ServerTool) else tool).input_schema


def invocations(
    run: Run, message_id: MessageId, judged: Sequence[JudgedCall], *, now: datetime, expires_at: datetime
) -> list[ToolInvocation]:
    """Their entries in the ledger; those that wait do so until `expires_at`."""
    return [
        ToolInvocation(
            id=call.id,
            conversation_id=run.conversation_id,
            run_id=run.id,
            message_id=message_id,
            ordinal=place,
            epoch=run.epoch,
            name=call.shown.name,
            arguments=call.requested.arguments,
            state=call.state,
            requested_at=now,
            server=call.served.server if call.served else None,
            tool=call.served.tool if call.served else "",
            definition_digest=call.definition_digest,
            is_repeatable=call.served.is_repeatable if call.served else False,
            expires_at=expires_at if call.waits else None,
            ended_at=now if call.state is ToolCallState.REFUSED else None,
        )
        for place, call in enumerate(judged)
    ]


def _first_state(tool: Tool | None) -> ToolCallState:
    if not isinstance(tool, ServerTool):
        return ToolCallState.AWAITING_CLIENT
    return ToolCallState.READY if tool.policy is ToolPolicy.AUTO else ToolCallState.AWAITING_APPROVAL
