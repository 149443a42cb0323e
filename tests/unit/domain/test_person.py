"""Who a token speaks of, and what that person may do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import KeyInvalid
from server.domain.person import person_of
from server.domain.scope import PERSON_SCOPES, SCOPES, SUBJECT_SCOPES, beyond, common, permits, unknown


@pytest.mark.parametrize(
    ("claims", "user"),
    [
        ({"sub": "anna"}, "anna"),
        ({"sub": "anna", "user_id": "bert", "id": "carl"}, "anna"),
        ({"user_id": "bert", "id": "carl"}, "bert"),
        ({"id": 42}, "42"),
        ({"sub": None, "id": "carl"}, "carl"),
        ({"sub": "auth0|5f7c"}, "auth0|5f7c"),
    ],
)
def test_the_user_is_the_first_name_that_is_there(claims: dict[str, Any], user: str) -> None:
    assert person_of(claims).user == user


@pytest.mark.parametrize(
    "name", ["", " ", "*", "x" * 256, "a\x1fb", "a\nb", " anna", True, 1.5, ["anna"], {"name": "anna"}]
)
def test_what_names_nobody_or_everybody_is_refused(name: Any) -> None:
    with pytest.raises(KeyInvalid):
        person_of({"sub": name, "id": "a way out that is not taken"})
    with pytest.raises(KeyInvalid):
        person_of({"sub": "anna", "tenant_id": name})


def test_nobody_is_refused() -> None:
    with pytest.raises(KeyInvalid):
        person_of({"tenant_id": "acme"})


def test_the_tenant_may_be_left_to_a_publishable_key() -> None:
    assert person_of({"sub": "anna"}).tenant is None
    assert person_of({"sub": "anna", "tenant_id": "acme"}).tenant == "acme"


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, PERSON_SCOPES),
        ({"scope": "openid profile email"}, PERSON_SCOPES),
        ({"scope": "openid conversations:read"}, {"conversations:read"}),
        ({"scope": ["conversations:read", "files:read"]}, {"conversations:read", "files:read"}),
        ({"scope": "something:else"}, set()),
        ({"permissions": []}, set()),
        ({"permissions": "conversations:read"}, set()),
        ({"permissions": ["audit:read", "conversations:read", 7]}, {"audit:read", "conversations:read"}),
        ({"scope": "conversations:read files:read", "permissions": ["files:read", "audit:read"]}, {"files:read"}),
        ({"scope": "*", "permissions": ["audit:read"]}, {"audit:read"}),
        ({"scope": "*"}, {"*"}),
    ],
)
def test_claims_narrow_the_rights_and_grant_unusual_ones_by_name(claims: dict[str, Any], scopes: set[str]) -> None:
    assert person_of({"sub": "anna", **claims}).scopes == scopes


_scopes = st.frozensets(st.sampled_from(sorted(SCOPES)))


@given(_scopes, _scopes)
def test_what_two_may_do_together_neither_may_not(one: frozenset[str], other: frozenset[str]) -> None:
    both = common(one, other)
    for scope in SCOPES:
        assert permits(both, scope) == (permits(one, scope) and permits(other, scope))
    assert not beyond(both, one)
    assert not beyond(both, other)


def test_everything_is_beyond_everybody_who_has_not_everything() -> None:
    assert beyond({"*"}, SCOPES - {"*"}) == ["*"]
    assert not beyond(SCOPES, frozenset({"*"}))


def test_nobody_makes_keys_or_reads_the_audit_in_anothers_name() -> None:
    assert not SUBJECT_SCOPES & {"keys:admin", "audit:read", "users:impersonate", "*"}


def test_unknown_scopes_are_told() -> None:
    assert unknown(["*", "conversations:read", "conversation:read", ""]) == ["", "conversation:read"]
