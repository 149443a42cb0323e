"""Keys, users and organizations: what the service itself keeps of its callers."""

from dataclasses import replace
from datetime import date

import pytest

from server.adapters.store.errors import RowRefused
from server.domain.ids import KeyId, OrganizationId, default_organization_id
from server.domain.key import KeyEnvironment, KeyStyle, KeyUse
from server.domain.organization import MemberRole, Membership
from server.domain.principal import Owner
from server.ports.store import ListPosition, Store
from tests.contract.store.builders import ALICE, ALICE_ELSEWHERE, BOB, at, key


async def test_a_key_is_found_by_its_digest_alone(store: Store) -> None:
    full = key(
        digest="d1",
        style=KeyStyle.ARCHIVE,
        scopes=frozenset({"conversations:read", "conversations:write"}),
        expires_at=at(1),
        revoked_at=at(2),
        environment=KeyEnvironment.TEST,
        name="Backend",
        description="Ours",
        requests_per_minute=7,
        last_used_at=at(3),
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


@pytest.mark.parametrize("as_owner", [True, False])
async def test_what_may_change_of_a_key_is_overwritten_and_a_revocation_stays(store: Store, as_owner: bool) -> None:
    made = key(digest="d", revoked_at=at(5))
    await store.write_system(lambda tx: tx.add_key(made))
    scopes = frozenset({"files:read"})
    changed = replace(made, name="n", description="d", scopes=scopes, requests_per_minute=9, expires_at=at(7))

    async def save(revoked: float) -> None:
        saved = replace(changed, revoked_at=at(revoked))
        if as_owner:
            await store.write(ALICE, lambda tx: tx.keys.save(saved))
        else:
            await store.write_system(lambda tx: tx.save_key(saved))

    await save(9)
    assert await store.read(ALICE, lambda tx: tx.keys.get(made.id)) == changed


async def test_uses_add_up_by_day_and_outlive_nothing(store: Store) -> None:
    made = key(digest="d")
    await store.write_system(lambda tx: tx.add_key(made))
    first, second = date(2026, 11, 20), date(2026, 11, 21)
    for uses in (
        [KeyUse(made.id, first, 2, at(5)), KeyUse(made.id, second, 1, at(9))],
        [KeyUse(made.id, first, 3, at(4)), KeyUse(KeyId("gone"), first, 1, at(9))],
    ):
        await store.write_system(lambda tx, uses=uses: tx.count_uses(uses))  # type: ignore[misc]
    found = await store.read(ALICE, lambda tx: tx.keys.get(made.id))
    assert found is not None
    assert found.last_used_at == at(9)
    assert await store.read(ALICE, lambda tx: tx.keys.usage(made.id, since=first)) == [(first, 5), (second, 1)]
    assert await store.read_system(lambda tx: tx.key_usage(made.id, since=second)) == [(second, 1)]


async def test_an_owners_keys_come_newest_first_and_in_pages(store: Store) -> None:
    made = [key(digest=str(time), time=time) for time in (1, 3, 2)]
    for item in (*made, key(BOB, digest="b", time=9)):
        await store.write(item.owner, lambda tx, item=item: tx.keys.add(item))  # type: ignore[misc]
    by_age = sorted(made, key=lambda item: item.created_at, reverse=True)
    assert await store.read(ALICE, lambda tx: tx.keys.page(limit=2, after=None)) == by_age[:2]
    after = ListPosition(time=by_age[1].created_at, id=by_age[1].id)
    assert await store.read(ALICE, lambda tx: tx.keys.page(limit=2, after=after)) == by_age[2:]


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
