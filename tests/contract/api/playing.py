"""What playing a case takes, whatever it is played for."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from itertools import count
from typing import Any, Final

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.contract.api.case import Call, Json
from tests.contract.api.descriptors import methods
from tests.contract.api.http_player import HttpPlayer
from tests.contract.api.matching import pick, resolve
from tests.contract.api.player import GrpcPlayer, Player, drain
from tests.contract.api.serving import Served
from tests.contract.api.stage import Stage

METHODS: Final = methods()
TENANTS: Final = count()
"""Numbers for tenants; a case has one of its own."""

# One entry a transport: from the running service to its player.
PLAYERS: Final[dict[str, Callable[[Served], Player]]] = {
    "grpc": lambda served: GrpcPlayer(served.channel),
    "http-in-process": lambda served: HttpPlayer(served.in_process),
    "http-channel": lambda served: HttpPlayer(served.through_channel),
}


async def prepare(player: Player, stage: Stage, call: Call, kept: dict[str, str]) -> None:
    """Make a call that must succeed, and keep of its replies what it says."""
    method = METHODS[call.rpc]
    request, headers = request_of(method, call.request, kept), await stage.headers(call.caller)
    if call.until:
        replies = await read(player.stream(method, request, headers), until=call.until)
    else:
        replies = await play(player, method, request, headers)
    kept.update({name: _last(replies, place) for name, place in call.keep.items()})


async def read(stream: AsyncGenerator[Message, None], *, until: str) -> list[Message]:
    """The messages of a stream up to the first one that has a member; closes it."""
    messages: list[Message] = []
    async with aclosing(stream) as opened:
        async for message in opened:
            messages.append(message)
            if message.HasField(until):
                break
    return messages


def _last(replies: Sequence[Message], place: str) -> str:
    """What stands at a place of the last reply that has it."""
    for reply in reversed(replies):
        with suppress(KeyError, IndexError):
            return pick(json_of(reply), place)
    raise AssertionError(f"no reply has {place}")


async def play(player: Player, method: MethodDescriptor, request: Message, headers: dict[str, str]) -> list[Message]:
    """Make a call; returns its one reply, or all of its stream's. Raises `CallRefused`."""
    if method.server_streaming:
        return await drain(player.stream(method, request, headers))
    return [await player.unary(method, request, headers)]


def request_of(method: MethodDescriptor, request: Json, kept: dict[str, str]) -> Message:
    """The request of a case, with what was kept filled in."""
    return ParseDict(resolve(request, kept), GetMessageClass(method.input_type)())


def json_of(message: Message) -> Any:
    """A message as cases write it."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
