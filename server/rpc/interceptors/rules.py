"""What the protos declare of each method: who may call it, and how long a call may take."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from parley.options.v1 import options_pb2

_RAW: Final = "google.api.HttpBody"


class RuleMissing(Exception):
    """A method that no rule says anything sensible about; the server does not start with it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One method as declared."""

    name: str
    """`parley.v1.ThreadService/GetThread`."""
    scope: str | None
    """What a caller needs; `None`: no credential at all."""
    needs_person: bool
    """Whether a key alone does not do."""
    request: type[Message]
    timeout_seconds: int | None
    """The declared bound of a call."""
    is_audited: bool
    """Whether a call leaves a record of its own in the audit."""
    writes: bool
    """Whether a call may change something."""
    is_raw: bool
    """Whether it streams `HttpBody`; its servicer greets itself, for it has more to say than the request id."""

    @property
    def path(self) -> str:
        """The method as gRPC names it on the wire."""
        return f"/{self.name}"


def rules(services: Iterable[ServiceDescriptor]) -> list[Rule]:
    """The rules of all methods. Raises `RuleMissing` unless each declares exactly one of a scope and `public`."""
    return [_rule(service, method) for service in services for method in service.methods]


def _rule(service: ServiceDescriptor, method: MethodDescriptor) -> Rule:
    name = f"{service.full_name}/{method.name}"
    declared = method.GetOptions().Extensions[options_pb2.rule]
    if bool(declared.scope) == declared.public:
        raise RuleMissing(f"{name} must declare either a scope or public")
    if method.client_streaming and (method.server_streaming or not declared.public):
        # A repeated call is known by its request, and a stream is not read before its call is let in.
        raise RuleMissing(f"{name} is a client stream: only public ones with a single reply are served")
    return Rule(
        name=name,
        scope=declared.scope or None,
        is_audited=declared.audited,
        needs_person=declared.needs_person,
        request=GetMessageClass(method.input_type),
        timeout_seconds=declared.timeout_seconds or None,
        writes=method.GetOptions().idempotency_level != MethodOptions.NO_SIDE_EFFECTS,
        is_raw=method.server_streaming and method.output_type.full_name == _RAW,
    )
