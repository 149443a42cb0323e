"""Every write of every API can be made again: with the same idempotency key it is answered alike and done once.

The writes are those of the descriptors, the requests those of the cases: a new RPC is covered with its first case.
"""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from parley.options.v1 import options_pb2

from tests.contract.api.case import ANNA, ANNA_HERSELF, Case, Reply, Stream
from tests.contract.api.player import CallRefused, Player
from tests.contract.api.playing import METHODS, PLAYERS, TENANTS, play, prepare, request_of
from tests.contract.api.serving import Served
from tests.contract.api.stage import Stage
from tests.contract.api.test_cases import CASES

_OTHER = METHODS["parley.v1.ThreadService/CreateThread"]
# What a write may make. Runs go on by themselves, so that their answers and events are no measure.
_MADE = (
    "SELECT count(*) FROM conversations WHERE tenant = :tenant",
    "SELECT count(*) FROM sessions WHERE tenant = :tenant",
    "SELECT count(*) FROM runs WHERE tenant = :tenant",
    "SELECT count(*) FROM messages WHERE tenant = :tenant AND role = 'user'",
    "SELECT count(*) FROM organizations WHERE tenant = :tenant",
    "SELECT count(*) FROM memberships WHERE tenant = :tenant",
    "SELECT count(*) FROM models WHERE tenant = :tenant",
    "SELECT count(*) FROM api_keys WHERE tenant = :tenant AND name <> ''",
    "SELECT count(*) FROM folders WHERE tenant = :tenant",
    "SELECT count(*) FROM stored_files WHERE tenant = :tenant",
    "SELECT count(*) FROM upload_grants WHERE tenant = :tenant",
    "SELECT count(*) FROM audit WHERE tenant = :tenant AND actor <> 'operator'",
)


def _first_success(rpc: str) -> Case:
    return next(case for case in CASES if case.rpc == rpc and case.caller in (ANNA, ANNA_HERSELF) and _ends_well(case))


def _ends_well(case: Case) -> bool:
    return isinstance(case.wants, Reply) or (isinstance(case.wants, Stream) and case.wants.ends is not None)


WRITES = [
    _first_success(rpc)
    for rpc, method in METHODS.items()
    # A client stream bears no mark: a signed URL makes it, and counts once.
    if method.GetOptions().idempotency_level != MethodOptions.NO_SIDE_EFFECTS and not method.client_streaming
]


@dataclass(frozen=True, slots=True)
class _Write:
    """A case, ready to be played."""

    player: Player
    stage: Stage
    method: MethodDescriptor
    request: Message
    headers: dict[str, str]
    database: Path

    async def play(self) -> list[Message]:
        return await play(self.player, self.method, self.request, self.headers)

    def made(self) -> list[int]:
        with closing(sqlite3.connect(self.database)) as connection:
            counts = [connection.execute(count, {"tenant": self.stage.tenant}).fetchone() for count in _MADE]
        return [row[0] for row in counts]


async def _ready(served: Served, transport: str, case: Case) -> _Write:
    stage, player = Stage(served, f"repeat-{next(TENANTS)}"), PLAYERS[transport](served)
    kept = stage.kept
    for call in case.before:
        await prepare(player, stage, call, kept)
    method = METHODS[case.rpc]
    headers = {**await stage.headers(case.caller), "idempotency-key": f"the-key-of-{stage.tenant}"}
    return _Write(player, stage, method, request_of(method, case.request, kept), headers, served.database)


def without_secrets(reply: Message) -> Message:
    """The reply as whoever repeats the call gets it: without what is shown once."""
    left = type(reply)()
    left.CopyFrom(reply)
    for field, value in reply.ListFields():
        if field.GetOptions().Extensions[options_pb2.shown_once]:
            left.ClearField(field.name)
        elif isinstance(value, Message):
            getattr(left, field.name).CopyFrom(without_secrets(value))
    return left


def test_what_is_shown_once_are_the_texts_of_keys_and_secrets() -> None:
    shown_once = {
        field.full_name
        for method in METHODS.values()
        for message in [method.output_type, *(field.message_type for field in method.output_type.fields)]
        if message is not None
        for field in message.fields
        if field.GetOptions().Extensions[options_pb2.shown_once]
    }
    assert shown_once == {
        "parley.v1.ApiKey.key",
        "parley.v1.CreateWebhookResponse.secret",
        "parley.v1.RotateWebhookSecretResponse.secret",
    }


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("transport", PLAYERS)
@pytest.mark.parametrize("case", WRITES, ids=lambda case: case.rpc)
async def test_a_repeated_write_is_answered_alike_and_done_once(served: Served, transport: str, case: Case) -> None:
    write = await _ready(served, transport, case)
    first = await write.play()
    made = write.made()
    again = await write.play()
    assert again == [without_secrets(reply) for reply in first]
    assert write.made() == made


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", WRITES, ids=lambda case: case.rpc)
async def test_writes_made_at_the_same_time_are_one(served: Served, case: Case) -> None:
    write = await _ready(served, "http-in-process", case)
    before = write.made()
    replies = await asyncio.gather(*(write.play() for _ in range(4)))
    repeated = [without_secrets(reply) for reply in replies[0]]
    assert [[without_secrets(reply) for reply in each] for each in replies] == [repeated] * 4
    assert sum(each != repeated for each in replies) <= 1
    assert all(after - count <= 1 for after, count in zip(write.made(), before, strict=True))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("transport", PLAYERS)
@pytest.mark.parametrize("case", WRITES, ids=lambda case: case.rpc)
async def test_another_request_under_the_same_key_is_refused(served: Served, transport: str, case: Case) -> None:
    write = await _ready(served, transport, case)
    await write.play()
    made = write.made()
    other = request_of(_OTHER, {"name": "Another", "conversation_key": "another"}, {})
    with pytest.raises(CallRefused) as caught:
        await write.player.unary(_OTHER, other, write.headers)
    refusal = caught.value.refusal
    assert refusal.reason == "REQUEST_ID_REUSED"
    assert refusal.http_status in (None, 422)
    assert write.made() == made


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("transport", PLAYERS)
@pytest.mark.parametrize("key", ["x" * 129, '""'])
async def test_a_key_that_is_none_is_refused_and_nothing_done(served: Served, transport: str, key: str) -> None:
    stage = Stage(served, f"repeat-{next(TENANTS)}")
    headers = {**await stage.headers(ANNA), "idempotency-key": key}
    with pytest.raises(CallRefused) as caught:
        await PLAYERS[transport](served).unary(_OTHER, request_of(_OTHER, {"name": "A"}, {}), headers)
    assert caught.value.refusal.fields == ("idempotency-key",)
