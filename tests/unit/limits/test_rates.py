"""Whom a call counts for, and whom not; what is remembered of callers."""

from dataclasses import replace

import pytest

from server.application.rates import Rates
from server.domain.ids import KeyId
from server.domain.limit_errors import RateLimited
from server.domain.principal import Owner, Principal
from server.domain.rates import CallLimits
from tests.integration.rpc.manual_clock import ManualClock

KEY = Principal(Owner("acme", "anna"), frozenset({"*"}), KeyId("k"))
PERSON = replace(KEY, key_id=None, is_person=True)
ON_PAGE = replace(KEY, key_id=KeyId("pk"), is_person=True)


def rates_of(**limits: int) -> Rates:
    return Rates(clock=ManualClock(), limits=replace(CallLimits(0, 0, 0), **limits))


def refused_as(rates: Rates, principal: Principal) -> str:
    with pytest.raises(RateLimited) as caught:
        rates.admit(principal)
    return caught.value.kind


def test_without_limits_nobody_is_counted() -> None:
    rates = rates_of()
    assert [rates.admit(KEY), rates.admit(PERSON), len(rates)] == [None, None, 0]


def test_a_keys_own_limit_stands_in_the_place_of_the_usual_one() -> None:
    rates = rates_of(per_key=1)
    own, other = replace(KEY, requests_per_minute=3), replace(KEY, key_id=KeyId("other"))
    for _ in range(3):
        rates.admit(own)
    assert refused_as(rates, own) == "key"
    rates.admit(other)
    assert refused_as(rates, other) == "key"
    rates.admit(replace(KEY, requests_per_minute=4))  # raised meanwhile


def test_a_person_counts_for_the_person_and_a_key_does_not() -> None:
    rates = rates_of(per_user=1)
    rates.admit(PERSON)
    assert refused_as(rates, PERSON) == "user"
    rates.admit(replace(PERSON, owner=Owner("acme", "bert")))
    rates.admit(replace(PERSON, owner=Owner("other", "anna")))
    assert rates.admit(KEY) is None


def test_a_publishable_key_counts_where_it_has_a_limit_of_its_own_beside_the_person() -> None:
    rates = rates_of(per_key=1, per_user=5)
    assert [rates.admit(ON_PAGE) for _ in range(5)][-1] is not None
    assert refused_as(rates, ON_PAGE) == "user"
    shared = replace(ON_PAGE, key_id=KeyId("pk2"), owner=Owner("acme", "carl"), requests_per_minute=1)
    rates.admit(shared)
    assert refused_as(rates, replace(shared, owner=Owner("acme", "dora"))) == "key"


def test_a_tenants_limit_is_for_all_of_the_tenant_and_what_it_refuses_counts_for_nobody() -> None:
    rates = rates_of(per_key=2, per_tenant=3)
    for _ in range(2):
        rates.admit(KEY)
    other = replace(KEY, key_id=KeyId("other"))
    standing = rates.admit(other)
    assert standing is not None
    assert (standing.limit, standing.remaining) == (3, 0)  # the nearest one
    assert refused_as(rates, other) == "tenant"
    assert refused_as(rates, KEY) == "key"
    rates.admit(replace(KEY, owner=Owner("elsewhere", "anna"), key_id=KeyId("third")))


def test_callers_who_fell_silent_are_forgotten() -> None:
    clock = ManualClock()
    rates = Rates(clock=clock, limits=CallLimits(per_key=5, per_tenant=5))
    for minute in range(20):
        for number in range(500):
            rates.admit(Principal(Owner(f"t{minute}-{number}", "u"), frozenset(), KeyId(f"k{minute}-{number}")))
        assert len(rates) <= 2 * 500
        clock.move(62)
    rates.admit(KEY)
    for _ in range(400):
        clock.move(20)
        rates.admit(KEY)
    assert len(rates) == 2


def test_what_others_counted_counts_from_when_it_was() -> None:
    clock = ManualClock()
    rates, elsewhere = (Rates(clock=clock, limits=CallLimits(per_key=5), is_shared=True) for _ in range(2))
    clock.move(100)
    for _ in range(4):
        elsewhere.admit(KEY)
    counted = elsewhere.unreported()
    assert elsewhere.unreported() == {}
    rates.add_elsewhere(counted.items(), then=80)
    rates.add_elsewhere(counted.items(), then=20)  # over already
    standing = rates.admit(KEY)
    assert standing is not None
    assert (standing.remaining, standing.reset) == (0, 41)
    assert refused_as(rates, KEY) == "key"
    clock.move(41)
    rates.admit(KEY)
