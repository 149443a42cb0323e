"""Roles and members: who may do what to whom, and that an owner remains whatever happens."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import LastOwner, RoleMissing
from server.domain.organization import Member, MemberRole, check_may_change, deactivated, with_role

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 2, 1, tzinfo=UTC)
OWNER, ADMIN, MEMBER, GUEST = MemberRole
ANNA = Member("anna", OWNER, is_active=True, created_at=NOW)


@pytest.mark.parametrize("role", MemberRole)
def test_each_role_covers_itself_and_those_behind_it(role: MemberRole) -> None:
    order = [OWNER, ADMIN, MEMBER, GUEST]
    assert [least for least in order if role.covers(least)] == order[order.index(role) :]


def _bert(role: MemberRole, *, is_active: bool = True) -> Member:
    return Member("bert", role, is_active=is_active, created_at=NOW)


@pytest.mark.parametrize(
    ("actor", "old", "role", "least"),
    [
        (ADMIN, None, ADMIN, None),
        (ADMIN, _bert(ADMIN), None, None),
        (ADMIN, _bert(OWNER, is_active=False), GUEST, None),
        (ADMIN, None, OWNER, OWNER),
        (ADMIN, _bert(OWNER), GUEST, OWNER),
        (ADMIN, _bert(OWNER), None, OWNER),
        (OWNER, _bert(OWNER), None, None),
        (OWNER, None, OWNER, None),
        (MEMBER, None, GUEST, ADMIN),
        (GUEST, _bert(GUEST), None, ADMIN),
    ],
)
def test_only_owners_concern_themselves_with_owners(
    actor: MemberRole, old: Member | None, role: MemberRole | None, least: MemberRole | None
) -> None:
    if least is None:
        check_may_change(actor, old, role)
        return
    with pytest.raises(RoleMissing) as refused:
        check_may_change(actor, old, role)
    assert refused.value.metadata == {"role": least}


def test_who_comes_back_was_there_since_the_first_time() -> None:
    gone = _bert(MEMBER, is_active=False)
    assert with_role([ANNA, gone], "bert", GUEST, LATER) == replace(gone, role=GUEST, is_active=True)
    assert with_role([ANNA], "bert", GUEST, LATER) == Member("bert", GUEST, is_active=True, created_at=LATER)


STEPS = st.lists(st.tuples(st.sampled_from(["anna", "bert", "carl"]), st.none() | st.sampled_from(MemberRole)))


@given(STEPS)
def test_an_owner_remains_whatever_happens(steps: list[tuple[str, MemberRole | None]]) -> None:
    members = {"anna": ANNA}
    for user, role in steps:
        if role is None and user not in members:
            continue
        others = [member for name, member in members.items() if name != user]
        try:
            if role is None:
                members[user] = deactivated(members.values(), members[user])
            else:
                members[user] = with_role(members.values(), user, role, NOW)
        except LastOwner:
            # Refused only where it had to be.
            assert not any(member.is_active and member.role is OWNER for member in others)
        assert any(member.is_active and member.role is OWNER for member in members.values())
