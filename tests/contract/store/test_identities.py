"""Keys, users and organizations: what the service itself keeps of its callers."""

from dataclasses import replace

import pytest

from server.adapters.store.errors import RowRefused
from server.domain.ids import KeyId, OrganizationId, default_organization_id
from server.domain.key import KeyStyle
from server.domain.organization import MemberRole, Membership
from server.domain.principal import Owner
from server.ports.store import Store
from tests.contract.store.builders import ALICE, ALICE_ELSEWHERE, BOB, at, key


async def test_a_key_is_found_by_its_digest_alone(store: Store) -> None:
    full = key(
        digest="d1",
        style=KeyStyle.ARCHIVE,
        scopes=frozenset({"conversations:read", "conversations:write"}),
        expires_at=at(1),
        revoked_at=at(2),
    )
    bare = key(BOB, digest="d2", scopes=frozenset())
    for item in (full, bare):
        await store.write_system(lambda tx, item=item: tx.add_key(item))  # type: ignore[misc]
    assert await store.read_system(lambda tx: tx.key_by_digest("d1")) == full
    assert await store.read_system(lambda tx: tx.key_by_digest("d2")) == bare
    assert await store.read_system(lambda tx: tx.key_by_digest("d")) is None


async def test_keys_are_listed_by_age(store: Store) -> None:
    made = [key(owner, time=time) for owner, time in ((ALICE, 2), (BOB, 0), (ALICE_ELSEWHERE, 1), (ALICE, 1))]
    for item in made:
        await store.write_system(lambda tx, item=item: tx.add_key(item))  # type: ignore[misc]
    assert await store.read_system(lambda tx: tx.keys()) == sorted(made, key=lambda item: (item.created_at, item.id))


async def test_a_digest_belongs_to_one_key(store: Store) -> None:
    await store.write_system(lambda tx: tx.add_key(key(digest="d")))
    with pytest.raises(RowRefused):
        await store.write_system(lambda tx: tx.add_key(key(BOB, digest="d")))


async def test_a_key_is_revoked_once(store: Store) -> None:
    made = key(digest="d")
    await store.write_system(lambda tx: tx.add_key(made))
    assert await store.write_system(lambda tx: tx.revoke_key(made.id, at(1)))
    assert not await store.write_system(lambda tx: tx.revoke_key(made.id, at(2)))
    assert not await store.write_system(lambda tx: tx.revoke_key(KeyId("none"), at(2)))
    assert await store.read_system(lambda tx: tx.key_by_digest("d")) == replace(made, revoked_at=at(1))


async def _memberships(store: Store, owner: Owner) -> list[Membership]:
    return await store.read(owner, lambda tx: tx.organizations.memberships())


async def test_the_first_user_of_a_tenant_owns_its_organization(store: Store) -> None:
    for owner, time in ((ALICE, 1), (BOB, 2), (ALICE_ELSEWHERE, 3), (ALICE, 4)):
        await store.write_system(lambda tx, o=owner, t=time: tx.provision(o, at(t)))  # type: ignore[misc]
    acme, rival = default_organization_id("acme"), default_organization_id("rival")
    assert await _memberships(store, ALICE) == [Membership(acme, "Default", MemberRole.OWNER, at(1))]
    assert await _memberships(store, BOB) == [Membership(acme, "Default", MemberRole.MEMBER, at(1))]
    assert await _memberships(store, ALICE_ELSEWHERE) == [Membership(rival, "Default", MemberRole.OWNER, at(3))]
    assert await _memberships(store, Owner("acme", "eve")) == []


async def test_a_membership_is_the_owners_of_that_organization(store: Store) -> None:
    await store.write_system(lambda tx: tx.provision(ALICE, at(0)))
    acme = default_organization_id("acme")
    assert await store.read(ALICE, lambda tx: tx.organizations.membership(acme)) == Membership(
        acme, "Default", MemberRole.OWNER, at(0)
    )
    assert await store.read(BOB, lambda tx: tx.organizations.membership(acme)) is None
    assert await store.read(ALICE, lambda tx: tx.organizations.membership(OrganizationId("none"))) is None
