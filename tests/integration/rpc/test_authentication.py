"""Who gets in: every way to present a key, and every way to be refused, over a real server and a real store."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from parley.v1 import thread_pb2, thread_pb2_grpc

from server.domain.key import KeyEnvironment, KeyStyle
from server.domain.principal import Owner
from tests.contract.api.refusal import Refusal, refusal
from tests.contract.api.serving import Served, serve
from tests.integration.rpc.manual_clock import ManualClock

Metadata = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Door:
    """A server whose keys are checked by a clock that the test moves."""

    served: Served
    clock: ManualClock
    threads: thread_pb2_grpc.ThreadServiceStub

    async def knock(self, metadata: Metadata) -> set[str]:
        """The keys of the caller's threads."""
        listed = await self.threads.ListThreads(thread_pb2.ListThreadsRequest(), metadata=tuple(metadata))
        return {thread.conversation_key for thread in listed.threads}

    async def refused(self, metadata: Metadata) -> Refusal:
        """How the caller is turned away."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.knock(metadata)
        return refusal(caught.value)

    async def reason(self, metadata: Metadata) -> tuple[str | None, str | None]:
        """Code and reason of the refusal."""
        found = await self.refused(metadata)
        return found.code, found.reason


MISSING = ("UNAUTHENTICATED", "KEY_MISSING")
INVALID = ("UNAUTHENTICATED", "KEY_INVALID")
CONFLICT = ("UNAUTHENTICATED", "KEY_CONFLICT")
NO_SCOPE = ("PERMISSION_DENIED", "SCOPE_MISSING")
BAD_FIELD = ("INVALID_ARGUMENT", "INVALID_FIELD")


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    clock = ManualClock()
    async with serve(tmp_path, clock=clock) as served:
        yield Door(served, clock, thread_pb2_grpc.ThreadServiceStub(served.channel))


@pytest.mark.parametrize("style", [KeyStyle.SECRET, KeyStyle.ARCHIVE])
@pytest.mark.parametrize(
    "header",
    [("x-api-key", "{}"), ("uni-api-key", "{}"), ("authorization", "Bearer {}"), ("authorization", "bEaReR {}")],
)
async def test_each_header_takes_a_key(door: Door, style: KeyStyle, header: tuple[str, str]) -> None:
    _, key = await door.served.key(style=style)
    assert await door.knock([(header[0], header[1].format(key))]) == set()


async def test_without_a_key_nobody_gets_in(door: Door) -> None:
    assert await door.reason([]) == MISSING
    assert await door.reason([("x-api-key", "")]) == MISSING


async def test_what_is_no_key_or_nobodys_is_refused_alike(door: Door) -> None:
    _, key = await door.served.key()
    unknown = door.served.factory.make(KeyStyle.SECRET, KeyEnvironment.LIVE)
    mistyped = key[:-1] + ("0" if key[-1] != "0" else "1")
    refusals = [
        await door.refused([header])
        for header in [
            ("x-api-key", "hello"),
            ("x-api-key", mistyped),
            ("x-api-key", unknown),
            ("uni-api-key", "ayeto-" + "0" * 64),
            ("authorization", f"Basic {key}"),
            ("authorization", "Bearer eyJhbGciOiJub25lIn0.e30."),
        ]
    ]
    assert {(found.code, found.reason) for found in refusals} == {INVALID}
    assert len(set(map(repr, refusals))) == 1


async def test_a_publishable_key_alone_is_refused(door: Door) -> None:
    _, key = await door.served.key(style=KeyStyle.PUBLISHABLE)
    assert await door.reason([("x-api-key", key)]) == INVALID


async def test_a_revoked_key_is_refused_within_a_second(door: Door) -> None:
    stored, key = await door.served.key()
    assert await door.knock([("x-api-key", key)]) == set()
    assert await door.served.keys.revoke(stored.prefix) == 1
    door.clock.move(0.999)
    assert await door.knock([("x-api-key", key)]) == set()
    door.clock.move(0.001)
    assert await door.reason([("x-api-key", key)]) == INVALID


async def test_an_expired_key_is_refused_at_once(door: Door) -> None:
    _, key = await door.served.key(expires_at=door.clock.now() + timedelta(seconds=0.5))
    assert await door.knock([("x-api-key", key)]) == set()
    door.clock.move(0.5)
    assert await door.reason([("x-api-key", key)]) == INVALID


async def test_a_key_needs_the_scope_of_the_method(door: Door) -> None:
    _, writer = await door.served.key(scopes=["conversations:write"])
    found = await door.refused([("x-api-key", writer)])
    assert (found.code, found.reason) == NO_SCOPE
    assert found.metadata == {"scope": "conversations:read"}
    _, reader = await door.served.key(scopes=["conversations:read"])
    assert await door.knock([("x-api-key", reader)]) == set()


async def test_two_different_keys_conflict_and_the_same_twice_does_not(door: Door) -> None:
    _, one = await door.served.key()
    _, two = await door.served.key()
    assert await door.reason([("x-api-key", one), ("authorization", f"Bearer {two}")]) == CONFLICT
    assert await door.reason([("x-api-key", one), ("x-api-key", two)]) == CONFLICT
    assert await door.knock([("x-api-key", one), ("authorization", f"Bearer {one}"), ("uni-api-key", one)]) == set()


async def test_nobody_sees_what_another_user_or_tenant_has(door: Door) -> None:
    _, anna = await door.served.key("anna")
    for user, tenant in [("bert", "acme"), ("anna", "other")]:
        _, other = await door.served.key(user, tenant=tenant)
        await door.threads.CreateThread(
            thread_pb2.CreateThreadRequest(conversation_key=f"{user}-{tenant}"), metadata=(("x-api-key", other),)
        )
        assert await door.knock([("x-api-key", other)]) == {f"{user}-{tenant}"}
    assert await door.knock([("x-api-key", anna)]) == set()


async def test_acting_for_another_needs_a_scope_of_its_own(door: Door) -> None:
    _, plain = await door.served.key(scopes=["conversations:read", "conversations:write"])
    found = await door.refused([("x-api-key", plain), ("x-on-behalf-of", "bert")])
    assert (found.code, found.reason) == NO_SCOPE
    assert found.metadata == {"scope": "users:impersonate"}
    # Not even for oneself, and never silently as oneself.
    assert await door.reason([("x-api-key", plain), ("x-on-behalf-of", "anna")]) == NO_SCOPE


@pytest.mark.parametrize("scopes", [["*"], ["users:impersonate", "conversations:read", "conversations:write"]])
async def test_who_acts_for_another_sees_the_others_things(door: Door, scopes: list[str]) -> None:
    _, service = await door.served.key("service", scopes=scopes)
    acting = (("x-api-key", service), ("x-on-behalf-of", "bert"))
    await door.threads.CreateThread(thread_pb2.CreateThreadRequest(conversation_key="berts"), metadata=acting)
    _, bert = await door.served.key("bert")
    assert await door.knock([("x-api-key", bert)]) == {"berts"}
    assert await door.knock(acting) == {"berts"}
    assert await door.knock([("x-api-key", service)]) == set()


async def test_who_acts_for_another_has_the_keys_scopes_only(door: Door) -> None:
    _, service = await door.served.key("service", scopes=["users:impersonate", "conversations:write"])
    found = await door.refused([("x-api-key", service), ("x-on-behalf-of", "bert")])
    assert found.metadata == {"scope": "conversations:read"}


async def test_the_subject_is_of_the_keys_tenant_and_becomes_a_member(door: Door) -> None:
    _, service = await door.served.key("service", tenant="one")
    await door.knock([("x-api-key", service), ("x-on-behalf-of", "newcomer")])
    one = await door.served.house.organizations.of(Owner("one", "newcomer"))
    other = await door.served.house.organizations.of(Owner("acme", "newcomer"))
    assert (len(one), len(other)) == (1, 0)


@pytest.mark.parametrize("subject", ["", " ", "*", "x" * 256])
async def test_nobody_in_particular_cannot_be_acted_for(door: Door, subject: str) -> None:
    _, service = await door.served.key()
    found = await door.refused([("x-api-key", service), ("x-on-behalf-of", subject)])
    assert (found.code, found.reason) == BAD_FIELD
    assert found.fields == ("x-on-behalf-of",)


async def test_two_subjects_are_refused(door: Door) -> None:
    _, service = await door.served.key()
    two = [("x-api-key", service), ("x-on-behalf-of", "bert"), ("x-on-behalf-of", "carl")]
    assert await door.reason(two) == BAD_FIELD


async def test_a_bad_key_is_told_before_a_bad_request(door: Door) -> None:
    bad = thread_pb2.GetThreadRequest()
    _, writer = await door.served.key(scopes=["conversations:write"])
    _, reader = await door.served.key(scopes=["conversations:read"])
    for key, reason in [("", "KEY_MISSING"), (writer, "SCOPE_MISSING"), (reader, "INVALID_FIELD")]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await door.threads.GetThread(bad, metadata=(("x-api-key", key),))
        assert refusal(caught.value).reason == reason
