"""Every contract case, played over every transport; and no RPC without its cases."""

from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from server.rpc.services import DESCRIPTORS
from tests.contract.api.case import Call, Case, Json, Refused, Reply, Stream
from tests.contract.api.cases import access, conversations, run, thread
from tests.contract.api.descriptors import methods
from tests.contract.api.directed_provider import DirectedProvider
from tests.contract.api.http_player import HttpPlayer
from tests.contract.api.matching import differences, pick, resolve
from tests.contract.api.player import CallRefused, GrpcPlayer, Player, drain
from tests.contract.api.serving import Served, serve
from tests.contract.api.stage import Stage

CASES: list[Case] = [*thread.CASES, *run.CASES, *conversations.CASES, *access.CASES]
METHODS = methods()
TENANTS = count()

# One entry a transport: from the running service to its player.
PLAYERS: dict[str, Callable[[Served], Player]] = {
    "grpc": lambda served: GrpcPlayer(served.channel),
    "http-in-process": lambda served: HttpPlayer(served.in_process),
    "http-channel": lambda served: HttpPlayer(served.through_channel),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with serve(tmp_path_factory.mktemp("contract"), provider=DirectedProvider()) as running:
        yield running


# The service is the same for all cases, so they share its loop.
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("transport", PLAYERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case(served: Served, transport: str, case: Case) -> None:
    stage = Stage(served, f"case-{next(TENANTS)}")
    player, kept = PLAYERS[transport](served), stage.kept
    for call in case.before:
        await _prepare(player, stage, call, kept)
    method = METHODS[case.rpc]
    request, headers = _request(method, case.request, kept), await stage.headers(case.caller)
    match case.wants:
        case Reply(contains):
            found = list(differences(_json(await player.unary(method, request, headers)), resolve(contains, kept)))
        case Stream(begins, ends):
            messages = await drain(
                player.stream(method, request, headers), at_most=None if ends is not None else len(begins)
            )
            found = list(_stream_differences([_json(message) for message in messages], begins, ends, kept))
        case Refused():
            found = list(_refusal_differences(await _refusal(player, method, request, headers), case.wants, player))
    assert not found, "\n".join(found)


def test_every_rpc_of_the_descriptors_is_registered() -> None:
    registered = {f"{service.full_name}/{method.name}" for service in DESCRIPTORS for method in service.methods}
    assert registered == set(METHODS)


@pytest.mark.parametrize("rpc", METHODS)
def test_every_rpc_has_a_case_that_succeeds_and_one_of_its_own_that_fails(rpc: str) -> None:
    own = [case for case in CASES if case.rpc == rpc and case not in access.CASES]
    assert any(isinstance(case.wants, Reply | Stream) for case in own)
    assert any(isinstance(case.wants, Refused) for case in own) or not METHODS[rpc].input_type.fields


def test_case_names_are_unique() -> None:
    assert len({(case.rpc, case.name) for case in CASES}) == len(CASES)


async def _prepare(player: Player, stage: Stage, call: Call, kept: dict[str, str]) -> None:
    method = METHODS[call.rpc]
    request, headers = _request(method, call.request, kept), await stage.headers(call.caller)
    if method.server_streaming:
        reply = (await drain(player.stream(method, request, headers)))[-1]
    else:
        reply = await player.unary(method, request, headers)
    kept.update({name: pick(_json(reply), place) for name, place in call.keep.items()})


async def _refusal(player: Player, method: MethodDescriptor, request: Message, headers: dict[str, str]) -> CallRefused:
    streams = method.server_streaming
    ends = drain(player.stream(method, request, headers)) if streams else player.unary(method, request, headers)
    with pytest.raises(CallRefused) as caught:
        await ends
    return caught.value


def _refusal_differences(refused: CallRefused, wanted: Refused, player: Player) -> list[str]:
    got = refused.refusal
    pairs = {
        "code": (got.code, wanted.code),
        "reason": (got.reason, wanted.reason),
        "http_status": (got.http_status, wanted.http),
        "fields": (got.fields, wanted.fields),
    }
    return [
        f"{name}: {one!r} is not {other!r}"
        for name, (one, other) in pairs.items()
        if name in player.shows and other is not None and list(differences(one, other))
    ]


def _stream_differences(
    got: list[Any], begins: tuple[Json, ...], ends: tuple[Json, ...] | None, kept: dict[str, str]
) -> list[str]:
    if ends is not None and not begins and not ends and got:
        return [f"the stream should be empty: {got!r}"]
    head, tail = got[: len(begins)], got[len(got) - len(ends) :] if ends else []
    return [
        *differences(head, resolve(begins, kept), "begins"),
        *differences(tail, resolve(ends or (), kept), "ends"),
    ]


def _request(method: MethodDescriptor, request: Json, kept: dict[str, str]) -> Message:
    return ParseDict(resolve(request, kept), GetMessageClass(method.input_type)())


def _json(message: Message) -> Any:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
