"""The window over which calls are counted, against the definition: a list of every call's time."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.application.rates import Rates
from server.domain.ids import KeyId
from server.domain.limit_errors import RateLimited
from server.domain.principal import Owner, Principal
from server.domain.rates import WINDOW_SECONDS, CallLimits, Standing, Window
from tests.integration.rpc.manual_clock import ManualClock

KEY = Principal(Owner("acme", "anna"), frozenset({"*"}), KeyId("k"))
pauses = st.lists(st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 90)), min_size=1, max_size=120)


def admit(rates: Rates) -> tuple[bool, Standing]:
    """Make a call; whether it was let in, and what its caller is told."""
    try:
        standing = rates.admit(KEY)
    except RateLimited as refusal:
        return False, refusal.standing
    assert standing is not None
    return True, standing


@given(pauses, st.integers(1, 9))
def test_no_sixty_seconds_see_more_than_the_limit_and_nobody_is_refused_without_need(
    waits: list[float], limit: int
) -> None:
    clock, admitted = ManualClock(), list[float]()
    rates = Rates(clock=clock, limits=CallLimits(per_key=limit))
    for wait in waits:
        clock.move(wait)
        now = clock.monotonic()
        is_admitted, standing = admit(rates)
        # By the definition: what was let in since the beginning of the second that was current a minute ago.
        recent = [then for then in admitted if int(then) >= int(now) - WINDOW_SECONDS]
        assert is_admitted is (len(recent) < limit)
        if is_admitted:
            admitted.append(now)
            recent.append(now)
        assert (standing.limit, standing.remaining) == (limit, limit - len(recent))
        assert standing.seconds == pytest.approx(int(recent[0]) + 61 - now)
        assert 0 < standing.seconds <= 61
    for first, last in zip(admitted, admitted[limit:], strict=False):
        assert last - first > WINDOW_SECONDS


@given(pauses, st.integers(1, 9))
def test_after_the_stated_time_there_is_room_and_before_there_is_none(waits: list[float], limit: int) -> None:
    clock = ManualClock()
    rates = Rates(clock=clock, limits=CallLimits(per_key=limit))
    for wait in waits:
        clock.move(wait)
        is_admitted, standing = admit(rates)
        if not is_admitted:
            clock.move(standing.seconds - 0.001)
            assert not admit(rates)[0]
            clock.move(0.002)
            assert admit(rates)[0]


async def test_callers_at_the_same_time_are_let_in_exactly_as_often_as_the_limit_says() -> None:
    rates = Rates(clock=ManualClock(), limits=CallLimits(per_key=50))
    outcomes = list[bool]()

    async def call() -> None:
        await asyncio.sleep(0)
        outcomes.append(admit(rates)[0])

    async with asyncio.TaskGroup() as group:
        for _ in range(200):
            group.create_task(call())
    assert (outcomes.count(True), outcomes.count(False)) == (50, 150)


@given(st.lists(st.tuples(st.floats(0, 200), st.integers(1, 5)), max_size=60), st.floats(0, 300))
def test_calls_counted_out_of_order_leave_the_window_when_their_own_second_does(
    earlier: list[tuple[float, int]], now: float
) -> None:
    window = Window()
    for then, calls in earlier:
        window.add_earlier(then, calls)
    seconds = list(window._counts)
    assert all(one < other for one, other in pairwise(seconds))
    assert window.used(now) == sum(calls for then, calls in earlier if int(then) >= int(now) - WINDOW_SECONDS)


def test_a_limit_that_is_lowered_counts_what_was_let_in_before() -> None:
    window = Window()
    for second in range(10):
        window.add(float(second))
    standing = window.standing(9.5, 4)
    assert (standing.remaining, standing.reset) == (0, 58)  # the call of second 6 leaves at 67
    assert window.standing(66.9, 4).remaining == 0
    assert window.standing(67.0, 4).remaining == 1
