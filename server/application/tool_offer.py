"""The tools of one model request: those of the conversation's servers and those that its client declared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from server.domain.conversation import Settings
from server.domain.run import RunOptions
from server.domain.tool import ServerTool, ToolPolicy, ToolSpec

Tool = ServerTool | ToolSpec
"""A server's tool, or one that the client executes."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a model may ask for, by the name that it sees."""

    tools: Mapping[str, Tool] = field(default_factory=dict)
    is_open: bool = True
    """Whether it may: after too many rounds it is shown the tools, but has to answer without."""
    left_out: int = 0
    """How many tools there would be besides."""

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is shown."""
        return tuple(tool.spec if isinstance(tool, ServerTool) else tool for tool in self.tools.values())


def offer_of(
    settings: Settings, options: RunOptions, served: Sequence[ServerTool], *, most: int, is_open: bool = True
) -> Offer:
    """The client's tools, the message's own first and instead of the settings' of the same name, then those of the
    servers that the operator does not deny; `most` in all."""
    permitted = (tool for tool in served if tool.policy is not ToolPolicy.DENY)
    tools: dict[str, Tool] = {}
    for spec in chain(options.client_tools, settings.client_tools):
        tools.setdefault(spec.name, spec)
    for tool in permitted:
        tools.setdefault(tool.spec.name, tool)
    offered = dict(list(tools.items())[:most])
    return Offer(offered, is_open=is_open, left_out=len(tools) - len(offered))
