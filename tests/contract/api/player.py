"""Plays calls over a transport. A player is one class; `PLAYERS` in `test_cases.py` names them all."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, ClassVar, Protocol

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.contract.api.refusal import Refusal, refusal


class CallRefused(Exception):
    """The call was answered with an error."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Player(Protocol):
    """One transport. Messages go in and out as protobuf messages, whatever the wire has; `headers` are HTTP headers or
    metadata, lower case. Both methods raise `CallRefused`."""

    shows: ClassVar[frozenset[str]]
    """What of a `Refusal` a client can see here: `code`, `reason`, `fields`, `http_status`. The rest stays empty."""

    async def unary(self, method: MethodDescriptor, request: Message, headers: Mapping[str, str]) -> Message:
        """The reply of a unary method, or of a client stream of one message."""
        ...

    def stream(
        self, method: MethodDescriptor, request: Message, headers: Mapping[str, str]
    ) -> AsyncGenerator[Message, None]:
        """The messages of a streaming method; closing it ends the call."""
        ...


class GrpcPlayer:
    """Plays over a gRPC channel."""

    shows: ClassVar[frozenset[str]] = frozenset({"code", "reason", "fields"})

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def unary(self, method: MethodDescriptor, request: Message, headers: Mapping[str, str]) -> Message:
        """See `Player`."""
        call: Any = (self._channel.stream_unary if method.client_streaming else self._channel.unary_unary)(
            *_wire(method)
        )
        asked: Any = [request] if method.client_streaming else request
        try:
            reply: Message = await call(asked, metadata=tuple(headers.items()))
        except grpc.aio.AioRpcError as error:
            raise CallRefused(refusal(error)) from None
        return reply

    async def stream(
        self, method: MethodDescriptor, request: Message, headers: Mapping[str, str]
    ) -> AsyncGenerator[Message, None]:
        """See `Player`."""
        open_call: Any = self._channel.unary_stream(*_wire(method))
        call = open_call(request, metadata=tuple(headers.items()))
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise CallRefused(refusal(error)) from None
        finally:
            call.cancel()


async def drain(stream: AsyncGenerator[Message, None], *, at_most: int | None = None) -> list[Message]:
    """The messages of a stream, to its end or the first few; closes it."""
    messages: list[Message] = []
    async with aclosing(stream) as opened:
        async for message in opened:
            messages.append(message)
            if len(messages) == at_most:
                break
    return messages


def _wire(method: MethodDescriptor) -> tuple[str, Any, Any]:
    path = f"/{method.containing_service.full_name}/{method.name}"
    return path, lambda message: message.SerializeToString(), GetMessageClass(method.output_type).FromString
