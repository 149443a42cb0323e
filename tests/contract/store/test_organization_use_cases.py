"""The use cases of organizations on each database: what a unit decides holds beside other units and when repeated."""

import asyncio
from dataclasses import replace

import pytest

from server.adapters.system import SystemClock, SystemIds
from server.application.audit import Audit
from server.application.catalogue import Catalogue, OfferedModel
from server.application.organizations import Organizations
from server.application.repeats import Repeats
from server.domain.errors import LastOwner, NotAMember, OrganizationNameTaken, ParleyError, RoleMissing
from server.domain.ids import KeyId, default_organization_id
from server.domain.limits import Limits
from server.domain.model import Model
from server.domain.organization import Member, MemberRole
from server.domain.principal import Owner, Principal, RequestKey
from server.ports.store import Store
from tests.contract.store.builders import ALICE, BOB, at
from tests.support.house import ScriptedModels
from tests.support.scripted_provider import ScriptedProvider

ACME = default_organization_id("acme")


def _acting(owner: Owner) -> Principal:
    return Principal(owner, frozenset({"*"}), KeyId("key"))


@pytest.fixture
def repeats(store: Store) -> Repeats:
    return Repeats(store=store, clock=SystemClock(), limits=Limits(), audit=Audit(clock=SystemClock(), ids=SystemIds()))


@pytest.fixture
async def organizations(store: Store, repeats: Repeats) -> Organizations:
    """The use cases, in a tenant that Alice owns and Bob is a member of."""
    for owner in (ALICE, BOB):
        await store.write_system(lambda tx, owner=owner: tx.provision(owner, at(0)))  # type: ignore[misc]
    return Organizations(store=store, clock=SystemClock(), ids=SystemIds(), repeats=repeats)


async def _owners(organizations: Organizations, seen_by: Owner) -> list[str]:
    members = await organizations.members(seen_by, ACME)
    return [member.user for member in members if member.is_active and member.role is MemberRole.OWNER]


async def test_of_owners_who_remove_each_other_at_once_one_stays(organizations: Organizations) -> None:
    stays, goes = ALICE, BOB
    for _ in range(4):
        await organizations.set_member(_acting(stays), ACME, user=goes.user, role=MemberRole.OWNER)
        outcomes = await asyncio.gather(
            organizations.remove_member(_acting(ALICE), ACME, BOB.user),
            organizations.remove_member(_acting(BOB), ACME, ALICE.user),
            return_exceptions=True,
        )
        assert sorted(isinstance(outcome, Member) for outcome in outcomes) == [False, True]
        assert any(isinstance(outcome, NotAMember | LastOwner) for outcome in outcomes)
        stays, goes = (ALICE, BOB) if isinstance(outcomes[0], Member) else (BOB, ALICE)
        assert await _owners(organizations, stays) == [stays.user]


async def test_of_those_who_take_a_name_at_once_one_has_it(organizations: Organizations) -> None:
    made = await asyncio.gather(
        *(organizations.create(_acting(owner), "Club") for owner in (ALICE, BOB) * 3), return_exceptions=True
    )
    refused = [outcome for outcome in made if isinstance(outcome, ParleyError)]
    assert {type(outcome) for outcome in refused} == {OrganizationNameTaken}
    assert len(refused) == 5


async def test_repeated_changes_of_members_are_answered_as_the_first(organizations: Organizations) -> None:
    marked = replace(_acting(ALICE), request_key=RequestKey("k", "fingerprint"))
    first = await organizations.set_member(marked, ACME, user=BOB.user, role=MemberRole.ADMIN)
    await organizations.set_member(_acting(ALICE), ACME, user=BOB.user, role=MemberRole.GUEST)
    assert await organizations.set_member(marked, ACME, user=BOB.user, role=MemberRole.ADMIN) == first
    bob = next(member for member in await organizations.members(ALICE, ACME) if member.user == BOB.user)
    assert bob.role is MemberRole.GUEST


async def test_a_model_is_added_once_by_who_may_and_used_by_all(
    store: Store, repeats: Repeats, organizations: Organizations
) -> None:
    models = ScriptedModels(ScriptedProvider())
    catalogue = Catalogue(store=store, clock=SystemClock(), models=models, repeats=repeats)
    added = OfferedModel(Model("scripted", "third"), is_active=True)
    with pytest.raises(RoleMissing):
        await catalogue.add(_acting(BOB), ACME, provider="scripted", name="third")
    adding = (catalogue.add(_acting(ALICE), ACME, provider="scripted", name="third") for _ in range(4))
    assert await asyncio.gather(*adding) == [added] * 4
    assert [offered.model.name for offered in await catalogue.models(BOB, ACME)] == ["first", "second", "third"]
    found = await store.read(BOB, lambda tx: catalogue.usable(tx, ACME, added.model.id))
    assert found == added.model
