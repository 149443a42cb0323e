"""What a person may do is what the role in the tenant permits: a guest reads, and who was removed does nothing."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from parley.v1 import thread_pb2, thread_pb2_grpc

from server.adapters.system import SystemClock, SystemIds
from server.application.audit import Audit
from server.application.known_roles import CHANGE_SECONDS
from server.application.members import Members
from server.domain.organization import ROLE_SCOPES, MemberRole
from server.domain.principal import Owner
from server.domain.scope import SCOPES, WILDCARD_SCOPE
from tests.contract.api.refusal import refusal
from tests.contract.api.serving import Served, serve
from tests.integration.rpc.manual_clock import ManualClock

TENANT = "club"
NO_SCOPE = "SCOPE_MISSING"


@dataclass(frozen=True, slots=True)
class Club:
    """A tenant with a founder and Anna, whose role the test changes."""

    served: Served
    clock: ManualClock

    async def make(self, role: MemberRole | None) -> None:
        """Make Anna what she is to be; `None`: nobody any more."""
        audit = Audit(clock=SystemClock(), ids=SystemIds())
        members, anna = Members(store=self.served.house.store, clock=SystemClock(), audit=audit), Owner(TENANT, "anna")
        await (members.remove(anna, "Default") if role is None else members.set(anna, "Default", role))
        self.clock.move(CHANGE_SECONDS)

    def token(self, user: str = "anna") -> Sequence[tuple[str, str]]:
        """What a person presents who may do whatever there is, as far as the issuer knows."""
        return (("authorization", f"Bearer {self.served.issuer.token(user, TENANT, scope='*')}"),)

    async def reads(self, metadata: Sequence[tuple[str, str]]) -> str:
        """Read; returns the reason of a refusal."""
        stub = thread_pb2_grpc.ThreadServiceStub(self.served.channel)
        return await _reason(stub.ListThreads(thread_pb2.ListThreadsRequest(), metadata=metadata))

    async def writes(self, metadata: Sequence[tuple[str, str]], key: str = "talk") -> str:
        """Write; returns the reason of a refusal."""
        stub = thread_pb2_grpc.ThreadServiceStub(self.served.channel)
        request = thread_pb2.CreateThreadRequest(conversation_key=key)
        return await _reason(stub.CreateThread(request, metadata=metadata))


async def _reason(call: grpc.aio.UnaryUnaryCall) -> str:  # type: ignore[type-arg]  # of whatever type the replies are
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return str(refusal(error).reason)
    return ""


@pytest.fixture
async def club(tmp_path: Path) -> AsyncIterator[Club]:
    clock = ManualClock()
    async with serve(tmp_path, clock=clock) as served:
        made = Club(served, clock)
        for user in ("founder", "anna"):
            assert await made.reads(made.token(user)) == ""
        yield made


def test_every_role_has_its_scopes() -> None:
    assert set(ROLE_SCOPES) == set(MemberRole)
    assert all(scopes <= SCOPES for scopes in ROLE_SCOPES.values())
    assert WILDCARD_SCOPE not in ROLE_SCOPES[MemberRole.GUEST]


@pytest.mark.parametrize("role", MemberRole)
async def test_a_person_does_what_the_role_permits(club: Club, role: MemberRole) -> None:
    await club.make(role)
    assert await club.reads(club.token()) == ""
    assert await club.writes(club.token()) == (NO_SCOPE if role is MemberRole.GUEST else "")


async def test_who_was_removed_does_nothing_and_who_comes_back_does(club: Club) -> None:
    await club.make(None)
    assert (await club.reads(club.token()), await club.writes(club.token())) == (NO_SCOPE, NO_SCOPE)
    await club.make(MemberRole.MEMBER)
    assert (await club.reads(club.token()), await club.writes(club.token())) == ("", "")


async def test_a_role_is_heard_of_within_a_second(club: Club) -> None:
    await club.make(MemberRole.GUEST)
    assert await club.writes(club.token()) == NO_SCOPE
    await club.make(MemberRole.MEMBER)
    assert await club.writes(club.token()) == ""


async def test_who_acts_for_a_guest_does_no_more_than_the_guest(club: Club) -> None:
    await club.make(MemberRole.GUEST)
    _, key = await club.served.key("service", tenant=TENANT)
    acting = (("x-api-key", key), ("x-on-behalf-of", "anna"))
    assert (await club.reads(acting), await club.writes(acting)) == ("", NO_SCOPE)
    assert await club.writes((("x-api-key", key), ("x-on-behalf-of", "founder"))) == ""
