"""Keys that a person makes open the door, for as long and as far as they may; nothing that is kept gives them away."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from parley.v1 import key_pb2, key_pb2_grpc, thread_pb2, thread_pb2_grpc

from server.application.known_keys import REVOCATION_SECONDS
from tests.contract.api.refusal import refusal
from tests.contract.api.serving import Served, serve
from tests.integration.rpc.manual_clock import ManualClock
from tests.support.sqlite_tables import tables_of

_READ = ["conversations:read"]


@dataclass(frozen=True, slots=True)
class Anna:
    """Anna, in person, before a server whose keys are checked by a clock that the test moves."""

    served: Served
    clock: ManualClock

    @property
    def keys(self) -> key_pb2_grpc.KeyServiceStub:
        return key_pb2_grpc.KeyServiceStub(self.served.channel)

    @property
    def token(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.served.issuer.token()}"),)

    async def make(self, *, mark: str = "", **fields: object) -> key_pb2.ApiKey:
        """A new key."""
        request = key_pb2.CreateKeyRequest(**{"name": "Backend", "permissions": _READ, **fields})  # type: ignore[arg-type]
        marked = (("idempotency-key", mark),) if mark else ()
        return (await self.keys.CreateKey(request, metadata=(*self.token, *marked))).result

    async def knock(self, key: str) -> str | None:
        """Why a key does not open; `None`: it does."""
        stub = thread_pb2_grpc.ThreadServiceStub(self.served.channel)
        try:
            await stub.ListThreads(thread_pb2.ListThreadsRequest(), metadata=(("x-api-key", key),))
        except grpc.aio.AioRpcError as error:
            return refusal(error).reason
        return None


@pytest.fixture
async def anna(tmp_path: Path) -> AsyncIterator[Anna]:
    clock = ManualClock()
    async with serve(tmp_path, clock=clock) as served:
        yield Anna(served, clock)


async def test_a_key_opens_until_it_is_revoked_on_every_process_within_a_second(anna: Anna) -> None:
    made = await anna.make()
    assert await anna.knock(made.key) is None
    await anna.keys.RevokeKey(key_pb2.RevokeKeyRequest(key_id=made.key_id), metadata=anna.token)
    anna.clock.move(REVOCATION_SECONDS)
    assert await anna.knock(made.key) == "KEY_INVALID"


async def test_a_key_opens_what_its_scopes_say_and_a_change_counts_within_a_second(anna: Anna) -> None:
    made = await anna.make(permissions=["files:read"])
    assert await anna.knock(made.key) == "SCOPE_MISSING"
    change = key_pb2.UpdateKeyRequest(key_id=made.key_id, permissions=_READ)
    await anna.keys.UpdateKey(change, metadata=anna.token)
    anna.clock.move(REVOCATION_SECONDS)
    assert await anna.knock(made.key) is None


async def test_both_keys_open_while_they_overlap(anna: Anna) -> None:
    made = await anna.make()
    rotate = key_pb2.RotateKeyRequest(key_id=made.key_id, overlap_seconds=60)
    new = (await anna.keys.RotateKey(rotate, metadata=anna.token)).result
    assert new.key_id != made.key_id
    assert [await anna.knock(made.key), await anna.knock(new.key)] == [None, None]
    anna.clock.move(3600)
    assert [await anna.knock(made.key), await anna.knock(new.key)] == ["KEY_INVALID", None]


async def test_a_repeated_call_does_not_show_the_key_again(anna: Anna) -> None:
    first, again = await anna.make(mark="m"), await anna.make(mark="m")
    assert first.key
    assert not again.HasField("key")
    assert again.key_id == first.key_id


async def test_nothing_that_is_kept_has_the_key_or_a_part_of_its_secret(anna: Anna) -> None:
    made = await anna.make(mark="m")
    secret = made.key.rpartition("_")[2]
    with closing(sqlite3.connect(anna.served.database)) as connection:
        tables = tables_of(connection)
        dump = "\n".join(str(row) for name in tables for row in connection.execute(f"SELECT * FROM {name}"))
    assert made.key_prefix in dump
    assert secret not in dump
    assert secret[:20] not in dump
    digest = anna.served.factory.digest(made.key)
    assert dump.count(digest) == 1  # in its own row alone


async def test_uses_are_counted_by_day(anna: Anna) -> None:
    made, unused = await anna.make(), await anna.make()
    for _ in range(3):
        assert await anna.knock(made.key) is None
    await anna.served.uses.write()
    request = key_pb2.GetKeyUsageRequest(key_id=made.key_id)
    usage = (await anna.keys.GetKeyUsage(request, metadata=anna.token)).result
    assert usage.total_requests == 3
    assert [day.requests for day in usage.days] == [3]
    assert abs(usage.last_used_at.ToDatetime(UTC) - datetime.now(UTC)).days == 0
    listed = (await anna.keys.ListKeys(key_pb2.ListKeysRequest(), metadata=anna.token)).result.keys
    used = {key.key_id: key.HasField("last_used_at") for key in listed}
    assert used == {made.key_id: True, unused.key_id: False}


async def test_a_key_manages_no_keys_whatever_its_scopes(anna: Anna) -> None:
    _, mighty = await anna.served.key()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anna.keys.ListKeys(key_pb2.ListKeysRequest(), metadata=(("x-api-key", mighty),))
    found = refusal(caught.value)
    assert (found.code, found.reason) == ("PERMISSION_DENIED", "PERSON_NEEDED")


async def test_a_time_that_is_none_is_the_callers_mistake(anna: Anna) -> None:
    request = key_pb2.CreateKeyRequest(name="x", permissions=_READ)
    request.expires_at.seconds = 2**60
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anna.keys.CreateKey(request, metadata=anna.token)
    assert refusal(caught.value).fields == ("expires_at",)
