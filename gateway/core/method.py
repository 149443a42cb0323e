"""What an upstream needs to know of an RPC."""

from dataclasses import dataclass

from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC. Without a message class, that side of the call is bytes as they go over the wire."""

    path: str
    """`/package.Service/Method`."""
    request_class: type[Message] | None = None
    response_class: type[Message] | None = None
    is_client_stream: bool = False
    """Whether the call takes a stream of requests."""
