"""What model calls cost is stored once, corrected once, and summed up by day whatever becomes of the conversation."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

import pytest

from server.domain.ids import KeyId
from server.domain.run import Run
from server.domain.spending import Spending
from server.domain.usage import AccountedCall, CallKind, ModelCall, Price, Spent, Total, UsageFilter, UsageRow
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, ALICE_ELSEWHERE, BOB, at, model_call, running

DAY: Final = at(0).date()
REPORTED: Final = Spent(10, 5, cached_tokens=4)
KEY: Final = KeyId("key")
ALL: Final = UsageFilter()


@pytest.fixture
async def run(store: Store) -> Run:
    """A run of Alice's."""
    return await running(store)


async def settle(store: Store, call: ModelCall, spent: Spent) -> None:
    """Store an outcome."""
    await store.write(ALICE, lambda tx: tx.usage.settle(call, spent))


async def of_run(store: Store, run: Run) -> list[AccountedCall]:
    """The run's calls."""
    return await store.read(run.owner, lambda tx: tx.usage.of_run(run.id, offset=0, limit=99))


async def rows(store: Store, wanted: UsageFilter = ALL, *, whole_tenant: bool = False) -> list[UsageRow]:
    """What Alice sees."""
    return await store.read(ALICE, lambda tx: tx.usage.rows(wanted, whole_tenant=whole_tenant, limit=99, after=None))


async def spending(store: Store, account: KeyId | None = None, *, seconds: float = 0) -> Spending:
    """What was spent, of Alice's tenant or a key."""
    return await store.read(ALICE, lambda tx: tx.usage.spending(account, now=at(seconds)))


async def test_an_outcome_is_stored_and_summed_up(store: Store, run: Run) -> None:
    call = model_call(run)
    await settle(store, call, REPORTED)
    assert await of_run(store, run) == [AccountedCall(call, REPORTED, 60)]
    total = Total(1, 10, 5, 4, 0, 60)
    assert await rows(store) == [UsageRow(DAY, "alice", KEY, call.provider, call.model, total)]
    assert await spending(store) == await spending(store, KEY) == Spending(15, 15, 60, 60)
    assert await store.read(ALICE, lambda tx: tx.usage.total_of_run(run.id)) == total
    assert await store.read(ALICE, lambda tx: tx.usage.key_days(KEY, since=DAY)) == [(DAY, total)]


async def test_the_same_outcome_twice_counts_once(store: Store, run: Run) -> None:
    call = model_call(run)
    for _ in range(2):
        await settle(store, call, REPORTED)
    assert [row.total.calls for row in await rows(store)] == [1]
    assert (await spending(store)).tokens_today == 15


async def test_a_better_outcome_takes_the_place_of_an_estimate(store: Store, run: Run) -> None:
    call = model_call(run)
    await store.write(ALICE, lambda tx: tx.usage.open(call))
    await settle(store, call, call.given_up("some words"))
    assert (await rows(store))[0].total.estimated_calls == 1
    await settle(store, call, REPORTED)
    assert await of_run(store, run) == [AccountedCall(call, REPORTED, 60)]
    assert [row.total for row in await rows(store)] == [Total(1, 10, 5, 4, 0, 60)]
    assert await spending(store, KEY) == Spending(15, 15, 60, 60)


async def test_an_outcome_that_is_undone_is_in_no_sum(store: Store, run: Run) -> None:
    async def broken(tx: Transaction) -> None:
        await tx.usage.settle(model_call(run), REPORTED)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await store.write(ALICE, broken)
    assert (await of_run(store, run), await rows(store), await spending(store)) == ([], [], Spending())


async def test_a_call_under_way_is_reserved_and_costs_nothing_yet(store: Store, run: Run) -> None:
    call = model_call(run)
    await store.write(ALICE, lambda tx: tx.usage.open(call))
    await store.write(ALICE, lambda tx: tx.usage.open(call))  # stored already
    assert await store.read(ALICE, lambda tx: tx.usage.open_of_run(run.id)) == [call]
    assert (await of_run(store, run), await rows(store)) == ([], [])
    reserved = Spending(tokens_reserved=112, cost_reserved=824)
    assert await spending(store) == await spending(store, KEY) == reserved
    assert await spending(store, KeyId("other")) == Spending()
    await settle(store, call, REPORTED)
    assert (await spending(store)).tokens_reserved == 0
    assert await store.read(ALICE, lambda tx: tx.usage.open_in(run.conversation_id)) == []


async def test_what_nobody_holds_is_reserved_until_its_time_is_over(store: Store, run: Run) -> None:
    title = model_call(run, kind=CallKind.TITLE, expires_at=at(30))
    await store.write(ALICE, lambda tx: tx.usage.open(title))
    assert (await spending(store, seconds=29)).tokens_reserved == 112
    assert (await spending(store, seconds=30)).tokens_reserved == 0
    assert await store.read(ALICE, lambda tx: tx.usage.open_of_run(run.id)) == []
    found = await store.read_system(lambda tx: tx.lapsed_calls(at(99), begun_before=at(60), limit=9))
    assert list(found) == [(ALICE, title)]
    early = await store.read_system(lambda tx: tx.lapsed_calls(at(29), begun_before=at(60), limit=9))
    assert list(early) == []


async def test_a_model_without_a_price_costs_what_nobody_knows(store: Store, run: Run) -> None:
    call = model_call(run, price=None)
    await settle(store, call, REPORTED)
    assert await of_run(store, run) == [AccountedCall(call, REPORTED, None)]
    assert [row.total.known_cost for row in await rows(store)] == [None]
    await settle(store, model_call(run), REPORTED)
    (row,) = await rows(store)
    assert (row.total.known_cost, row.total.unpriced_calls) == (60, 1)


async def test_the_price_is_that_of_the_beginning(store: Store, run: Run) -> None:
    call = model_call(run)
    await store.write(ALICE, lambda tx: tx.usage.open(call))
    (stored,) = await store.read(ALICE, lambda tx: tx.usage.open_of_run(run.id))
    assert stored.price == Price(input=2_000_000, output=8_000_000)


async def test_sums_outlive_the_conversation_and_its_calls_do_not(store: Store, run: Run) -> None:
    await settle(store, model_call(run), REPORTED)
    await store.write(ALICE, lambda tx: tx.conversations.delete(run.conversation_id))
    assert await of_run(store, run) == []
    late = model_call(run)
    await store.write(ALICE, lambda tx: tx.usage.settle(late, REPORTED, is_kept=False))
    assert [row.total.calls for row in await rows(store)] == [2]
    assert (await spending(store)).tokens_today == 30


async def test_days_and_months_are_those_of_the_beginning(store: Store, run: Run) -> None:
    """The tests begin on the first day of a month."""
    before, today = model_call(run, time=-86_400), model_call(run)
    tomorrow = model_call(run, time=86_400)
    for call in (before, today, tomorrow):
        await settle(store, call, REPORTED)
    assert [row.day for row in await rows(store)] == [DAY + timedelta(days=n) for n in (1, 0, -1)]
    assert await spending(store) == Spending(15, 30, 60, 120)


async def test_lists_are_in_one_order_whatever_the_page(store: Store) -> None:
    runs = [await running(store), await running(store, owner=BOB)]
    calls = [
        (run, replace(model_call(run, time=86_400 * day), model=model, key_id=key))
        for run in runs
        for day in range(2)
        for model in ("a", "b")
        for key in (None, KEY)
    ]
    for run, call in calls:
        await store.write(run.owner, lambda tx, call=call: tx.usage.settle(call, REPORTED))  # type: ignore[misc]
    whole = await rows(store, whole_tenant=True)
    assert len(whole) == len(calls)
    after: UsageRow | None = None
    paged: list[UsageRow] = []
    while len(paged) < len(whole):
        found = await store.read(
            ALICE,
            lambda tx, after=after: tx.usage.rows(ALL, whole_tenant=True, limit=3, after=after),  # type: ignore[misc]
        )
        paged += found
        after = found[-1]
    assert paged == whole
    assert {row.user for row in await rows(store)} == {"alice"}
    narrowed = UsageFilter(key_id=KEY, model="a", user="bob", first=DAY, last=DAY)
    (only,) = await rows(store, narrowed, whole_tenant=True)
    assert (only.user, only.model, only.day) == ("bob", "a", DAY)


async def test_another_tenant_has_spent_nothing(store: Store, run: Run) -> None:
    await settle(store, model_call(run), REPORTED)
    await store.write(ALICE, lambda tx: tx.usage.open(model_call(run)))

    async def look(tx: Transaction) -> object:
        found = await tx.usage.rows(ALL, whole_tenant=True, limit=9, after=None)
        return found, await tx.usage.spending(None, now=at(0)), await tx.usage.key_days(KEY, since=date(2026, 1, 1))

    assert await store.read(ALICE_ELSEWHERE, look) == ([], Spending(), [])


async def test_units_that_reserve_at_once_follow_each_other(store: Store, run: Run) -> None:
    """Each sees what those before it have reserved, so that not two take what is enough for one."""

    async def reserve(tx: Transaction) -> bool:
        await tx.usage.lock_spending()
        taken = (await tx.usage.spending(None, now=at(0))).tokens_reserved
        if not taken:
            await tx.usage.open(model_call(run))
        return not taken

    assert sum(await asyncio.gather(*(store.write(ALICE, reserve) for _ in range(12)))) == 1


async def test_many_outcomes_at_once_are_all_in_the_sums(store: Store) -> None:
    runs = [await running(store) for _ in range(12)]
    await asyncio.gather(*(settle(store, model_call(run), REPORTED) for run in runs for _ in range(3)))
    assert [row.total for row in await rows(store)] == [Total(36, 360, 180, 144, 0, 36 * 60)]
    assert (await spending(store, KEY)).cost_today == 36 * 60
