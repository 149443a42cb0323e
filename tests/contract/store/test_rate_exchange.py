"""Processes that let in the same callers: how far they go beyond the limit together, on both stores."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from server.application.rate_exchange import RateExchange
from server.application.rates import Rates
from server.domain.errors import StoreUnavailable
from server.domain.ids import KeyId
from server.domain.limit_errors import RateLimited
from server.domain.principal import Owner, Principal
from server.domain.rates import WINDOW_SECONDS, CallLimits
from server.ports.store import Store
from tests.integration.rpc.manual_clock import ManualClock

KEY = Principal(Owner("acme", "anna"), frozenset({"*"}), KeyId("k"))
LIMIT = 20


@dataclass
class Node:
    """One process, and which calls of all it let in, told of, and heard of."""

    rates: Rates
    exchange: RateExchange
    admitted: list[int] = field(default_factory=list)
    told: set[int] = field(default_factory=set)
    heard: set[int] = field(default_factory=set)

    def admits(self) -> bool:
        try:
            self.rates.admit(KEY)
        except RateLimited:
            return False
        return True


def nodes(store: Store, clock: ManualClock, count: int) -> list[Node]:
    def node(number: int) -> Node:
        rates = Rates(clock=clock, limits=CallLimits(per_key=LIMIT), is_shared=True)
        return Node(rates, RateExchange(store=store, clock=clock, rates=rates, process=f"process {number}"))

    return [node(number) for number in range(count)]


@pytest.mark.parametrize("seed", range(4))
async def test_together_they_let_in_the_limit_and_what_the_others_let_in_unheard(store: Store, seed: int) -> None:
    dice, clock, times = random.Random(seed), ManualClock(), list[float]()
    house = nodes(store, clock, 3)
    refused = 0
    for _ in range(400):
        node = dice.choice(house)
        match dice.choices(["call", "exchange", "wait"], [8, 2, 1])[0]:
            case "call" if node.admits():
                node.admitted.append(len(times))
                times.append(clock.monotonic())
                recent = {call for call, then in enumerate(times) if clock.monotonic() - then <= WINDOW_SECONDS}
                unheard = recent - set(node.admitted) - node.heard
                assert len(recent) <= LIMIT + len(unheard)
                assert len(recent) <= LIMIT * len(house)
            case "call":
                refused += 1
            case "exchange":
                await node.exchange.exchange()
                node.told = set(node.admitted)
                node.heard = set().union(*(other.told for other in house if other is not node))
            case "wait":
                clock.move(dice.uniform(0, 12))
    assert times
    assert refused


async def test_who_has_heard_of_all_lets_in_no_more_than_the_limit(store: Store) -> None:
    clock = ManualClock()
    first, second = nodes(store, clock, 2)
    for node in (first, second) * (LIMIT // 2):
        assert node.admits()
        await node.exchange.exchange()
    await first.exchange.exchange()
    assert [first.admits(), second.admits()] == [False, False]


async def test_a_process_that_begins_hears_of_the_last_minute_and_who_ends_tells_the_rest(store: Store) -> None:
    clock = ManualClock()
    first, second = nodes(store, clock, 2)
    async with first.exchange:
        for _ in range(LIMIT):
            assert first.admits()
    async with second.exchange:
        assert not second.admits()


async def test_what_could_not_be_told_is_told_later_and_once(store: Store) -> None:
    clock = ManualClock()
    teller, hearer = nodes(store, clock, 2)
    for _ in range(5):
        teller.admits()
    write = store.write_system

    async def stored_but_unanswered(work: Callable[..., object]) -> None:
        await write(work)  # type: ignore[arg-type]  # whatever it is
        raise StoreUnavailable

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "write_system", stored_but_unanswered)
        with pytest.raises(StoreUnavailable):
            await teller.exchange.exchange()
    teller.admits()
    await teller.exchange.exchange()
    await teller.exchange.exchange()
    await hearer.exchange.exchange()
    assert [hearer.admits() for _ in range(LIMIT)] == [True] * (LIMIT - 6) + [False] * 6
