"""What is known of a tool server before it is asked anything: plain frozen values, already checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from server.domain.tool import ToolPolicy


@dataclass(frozen=True, slots=True)
class StdioEndpoint:
    """A server that is a child process and is spoken to through its standard input and output."""

    argv: tuple[str, ...]
    """Program and arguments, run as they are: no shell sees them."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What its environment has beside the few variables that every program needs; may hold secrets."""
    cwd: Path | None = None
    """Where it runs; `None`: where the service does."""


@dataclass(frozen=True, slots=True)
class HttpEndpoint:
    """A server that is reached over streamable HTTP."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every request; may hold secrets."""
    allow_private_addresses: bool = False
    """Whether it may live on this machine or in a private network."""


@dataclass(frozen=True, slots=True)
class ToolRule:
    """What the operator says of tools."""

    policy: ToolPolicy = ToolPolicy.APPROVAL
    is_repeatable: bool = False


@dataclass(frozen=True, slots=True)
class ToolServerConfig:
    """One tool server."""

    name: str
    endpoint: StdioEndpoint | HttpEndpoint
    description: str = ""
    tenants: frozenset[str] | None = None
    """Who may use it; `None`: every tenant."""
    rule: ToolRule = field(default_factory=ToolRule)
    """Of the tools without a rule of their own."""
    tools: Mapping[str, ToolRule] = field(default_factory=dict)
    """Rules of single tools, by the tool's own name."""
    call_timeout: timedelta = timedelta(seconds=60)
    """How long a call may take, from sending it to its result."""
    connect_timeout: timedelta = timedelta(seconds=20)
    """How long starting or reaching it may take, the protocol's handshake included; a listing as well."""
    result_bytes: int = 1 << 20
    """How long a result may be, in UTF-8."""
    max_parallel: int = 8
    """How many calls it may have at once; more wait."""

    @property
    def transport(self) -> str:
        """`stdio` or `http`."""
        return "stdio" if isinstance(self.endpoint, StdioEndpoint) else "http"

    def serves(self, tenant: str) -> bool:
        """Whether the tenant may use it."""
        return self.tenants is None or tenant in self.tenants

    def rule_of(self, tool: str) -> ToolRule:
        """The rule that holds for a tool."""
        return self.tools.get(tool, self.rule)
