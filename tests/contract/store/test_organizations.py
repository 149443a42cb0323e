"""Organizations, their members and the models they added."""

import asyncio
from dataclasses import replace

import pytest

from server.domain.errors import LastOwner, OrganizationNameTaken, UserNotFound
from server.domain.ids import ModelId, OrganizationId, default_organization_id
from server.domain.model import Model
from server.domain.organization import Member, MemberRole, Membership, Organization, with_role
from server.domain.principal import Owner
from server.ports.store import Store, SystemTransaction, Transaction
from tests.contract.store.builders import ALICE, ALICE_ELSEWHERE, BOB, at, new_id

CLEO = Owner("acme", "cleo")


@pytest.fixture
async def club(store: Store) -> Organization:
    """An organization of Alice's, in a tenant with two more users."""
    for owner in (ALICE, BOB, CLEO, ALICE_ELSEWHERE):
        await store.write_system(lambda tx, owner=owner: tx.provision(owner, at(0)))  # type: ignore[misc]
    return await _made(store, "Club")


async def _made(store: Store, name: str, owner: Owner = ALICE) -> Organization:
    made = Organization(OrganizationId(new_id()), name, at(1))
    await store.write(owner, lambda tx: tx.organizations.add(made))
    return made


def _member(owner: Owner, role: MemberRole = MemberRole.MEMBER, *, is_active: bool = True, time: float = 2) -> Member:
    return Member(owner.user, role, is_active=is_active, created_at=at(time))


async def _set(store: Store, club: Organization, member: Member, *, by: Owner = ALICE) -> None:
    await store.write(by, lambda tx: tx.organizations.set_member(club.id, member))


async def _members(store: Store, club: Organization, *, seen_by: Owner = ALICE) -> list[Member]:
    return await store.read(seen_by, lambda tx: tx.organizations.members(club.id))


async def test_who_makes_an_organization_owns_it(store: Store, club: Organization) -> None:
    assert await store.read(ALICE, lambda tx: tx.organizations.membership(club.id)) == Membership(
        club.id, "Club", MemberRole.OWNER, at(1)
    )
    assert await _members(store, club) == [_member(ALICE, MemberRole.OWNER, time=1)]
    names = [membership.name for membership in await store.read(ALICE, lambda tx: tx.organizations.memberships())]
    assert names == ["Club", "Default"]


async def test_a_name_is_taken_within_its_tenant(store: Store, club: Organization) -> None:
    with pytest.raises(OrganizationNameTaken):
        await _made(store, club.name, BOB)
    assert (await _made(store, club.name, ALICE_ELSEWHERE)).name == club.name
    assert (await _made(store, "club", BOB)).name == "club"


async def test_members_are_listed_by_name_with_their_roles_and_changed_in_place(
    store: Store, club: Organization
) -> None:
    cleo, bob = _member(CLEO, MemberRole.GUEST), _member(BOB, MemberRole.ADMIN)
    for member in (cleo, bob):
        await _set(store, club, member)
    alice = _member(ALICE, MemberRole.OWNER, time=1)
    assert await _members(store, club) == [alice, bob, cleo]
    await _set(store, club, replace(bob, role=MemberRole.GUEST, created_at=at(9)))
    assert await _members(store, club) == [alice, replace(bob, role=MemberRole.GUEST), cleo]


async def test_only_active_members_see_and_change_members(store: Store, club: Organization) -> None:
    assert await _members(store, club, seen_by=BOB) == []
    await _set(store, club, _member(BOB, MemberRole.GUEST))
    assert len(await _members(store, club, seen_by=BOB)) == 2
    await _set(store, club, _member(BOB, MemberRole.GUEST, is_active=False))
    assert await _members(store, club, seen_by=BOB) == []
    assert await store.read(BOB, lambda tx: tx.organizations.membership(club.id)) is None
    with pytest.raises(UserNotFound):
        await _set(store, club, _member(BOB, MemberRole.OWNER), by=BOB)
    assert await _members(store, club) == [
        _member(ALICE, MemberRole.OWNER, time=1),
        _member(BOB, MemberRole.GUEST, is_active=False),
    ]


@pytest.mark.parametrize("name", ["nobody", ""])
async def test_who_is_no_user_of_the_tenant_becomes_no_member(store: Store, club: Organization, name: str) -> None:
    with pytest.raises(UserNotFound):
        await _set(store, club, _member(Owner("acme", name)))
    assert len(await _members(store, club)) == 1


async def test_provisioning_does_not_bring_a_removed_member_back(store: Store, club: Organization) -> None:
    acme = default_organization_id("acme")
    await store.write(ALICE, lambda tx: tx.organizations.set_member(acme, _member(BOB, is_active=False)))
    await store.write_system(lambda tx: tx.provision(BOB, at(9)))
    assert await store.read(BOB, lambda tx: tx.organizations.membership(acme)) is None


async def test_of_two_owners_who_demote_each_other_at_once_one_stays(store: Store, club: Organization) -> None:
    await _set(store, club, _member(BOB, MemberRole.OWNER))

    async def demote(by: Owner, whom: Owner) -> None:
        async def unit(tx: Transaction) -> None:
            members = await tx.organizations.lock_members(club.id)
            if any(member.user == by.user and member.role is MemberRole.OWNER for member in members):
                await tx.organizations.set_member(club.id, with_role(members, whom.user, MemberRole.GUEST, at(3)))

        await store.write(by, unit)

    for _ in range(5):
        await asyncio.gather(demote(ALICE, BOB), demote(BOB, ALICE))
        owners = [member for member in await _members(store, club) if member.role is MemberRole.OWNER]
        assert len(owners) == 1
        still = ALICE if owners[0].user == ALICE.user else BOB
        other = BOB if still is ALICE else ALICE
        await _set(store, club, _member(other, MemberRole.OWNER), by=still)


async def test_the_service_lists_and_sets_members_of_a_tenant(store: Store, club: Organization) -> None:
    locked = await store.write_system(lambda tx: tx.lock_organization("acme", "Club"))
    assert locked == (club, [_member(ALICE, MemberRole.OWNER, time=1)])
    assert await store.write_system(lambda tx: tx.lock_organization("rival", "Club")) is None

    await store.write_system(lambda tx: tx.set_member("acme", club.id, _member(CLEO, MemberRole.ADMIN)))
    found = await store.read_system(lambda tx: tx.members("acme"))
    assert [(organization.name, member.user) for organization, member in found] == [
        ("Club", "alice"),
        ("Club", "cleo"),
        ("Default", "alice"),
        ("Default", "bob"),
        ("Default", "cleo"),
    ]
    assert found[1] == (club, _member(CLEO, MemberRole.ADMIN))
    with pytest.raises(UserNotFound):
        await store.write_system(lambda tx: tx.set_member("acme", club.id, _member(Owner("acme", "nobody"))))


async def test_a_callers_change_waits_for_the_services(store: Store, club: Organization) -> None:
    """Both lock the organization: neither decides by members whom the other is about to change."""
    await _set(store, club, _member(BOB, MemberRole.OWNER))

    async def by_service() -> None:
        async def unit(tx: SystemTransaction) -> None:
            found = await tx.lock_organization("acme", "Club")
            assert found is not None
            await tx.set_member("acme", club.id, with_role(found[1], ALICE.user, MemberRole.GUEST, at(3)))

        await store.write_system(unit)

    async def by_caller() -> None:
        async def unit(tx: Transaction) -> None:
            members = await tx.organizations.lock_members(club.id)
            await tx.organizations.set_member(club.id, with_role(members, BOB.user, MemberRole.GUEST, at(3)))

        await store.write(CLEO, unit)

    await _set(store, club, _member(CLEO, MemberRole.ADMIN))
    outcomes = await asyncio.gather(by_service(), by_caller(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [LastOwner]
    found = await store.read_system(lambda tx: tx.members("acme"))
    assert [member.role for organization, member in found if organization == club].count(MemberRole.OWNER) == 1


MODELS = [Model("b", "one"), Model("a", "two"), Model("a", "one")]


async def test_added_models_are_the_organizations_and_every_active_members(store: Store, club: Organization) -> None:
    async def unit(tx: Transaction) -> None:
        for model in (*MODELS, MODELS[0]):
            await tx.models.add(club.id, model, at(2))

    await store.write(ALICE, unit)
    await _set(store, club, _member(BOB, MemberRole.GUEST))
    for owner in (ALICE, BOB):
        assert await store.read(owner, lambda tx: tx.models.of_organization(club.id)) == [
            Model("a", "one"),
            Model("a", "two"),
            Model("b", "one"),
        ]
        assert await store.read(owner, lambda tx: tx.models.get(club.id, MODELS[0].id)) == MODELS[0]
    assert await store.read(ALICE, lambda tx: tx.models.get(club.id, ModelId("none"))) is None
    assert await store.read(ALICE, lambda tx: tx.models.of_organization(default_organization_id("acme"))) == []
    assert await store.read(CLEO, lambda tx: tx.models.of_organization(club.id)) == []
    await _set(store, club, _member(BOB, MemberRole.GUEST, is_active=False))
    assert await store.read(BOB, lambda tx: tx.models.get(club.id, MODELS[0].id)) is None
