"""Reports of calls between processes, and what stands beside a run, on both stores."""

from dataclasses import replace
from itertools import count

from server.domain.rate_report import RateReport
from server.domain.run import Crowd, RunState
from server.ports.store import Store
from tests.contract.store.builders import ALICE, BOB, at, conversation, enqueued, running_run, stored


def report(process: str, sequence: int, when: float, **counts: int) -> RateReport:
    return RateReport(process, sequence, at(when), counts)


async def add(store: Store, *reports: RateReport) -> None:
    for each in reports:
        await store.write_system(lambda tx, each=each: tx.add_rate_report(each))  # type: ignore[misc]


async def found(store: Store, since: float, but_of: str) -> list[RateReport]:
    return await store.read_system(lambda tx: tx.rate_reports(since=at(since), but_of=but_of))


async def test_a_process_finds_the_reports_of_the_others_in_their_order(store: Store) -> None:
    first, second = report("a", 1, 1, x=3, y=1), report("a", 2, 2, x=1)
    other, mine, old = report("b", 7, 2, z=1_000_000), report("c", 1, 2, x=9), report("b", 6, 0)
    await add(store, mine, second, other, first, old)
    assert await found(store, 1, "c") == [first, second, other]
    assert await found(store, 2, "a") == [other, mine]


async def test_a_report_that_is_stored_already_is_not_stored_twice(store: Store) -> None:
    await add(store, report("a", 1, 1, x=3), report("a", 1, 5, x=3))
    assert await found(store, 0, "b") == [report("a", 1, 1, x=3)]


async def test_old_reports_are_dropped_the_oldest_first(store: Store) -> None:
    await add(store, *(report("a", number, number, x=1) for number in range(1, 6)))
    assert await store.write_system(lambda tx: tx.forget_rate_reports(at(5), limit=3)) == 3
    assert [each.sequence for each in await found(store, 0, "b")] == [4, 5]
    assert await store.write_system(lambda tx: tx.forget_rate_reports(at(5), limit=3)) == 1
    assert await store.write_system(lambda tx: tx.forget_rate_reports(at(5), limit=3)) == 0


async def test_beside_a_run_are_those_of_its_caller_elsewhere_and_those_that_wait(store: Store) -> None:
    talks = [conversation(f"talk {number}") for number in range(6)]
    for talk in talks:
        await stored(store, talk)
    about = replace(running_run(talks[0]), caller="key:k")
    numbers = count(1)

    async def running(place: int, caller: str, state: RunState | None = None) -> None:
        run = replace(running_run(talks[place]), caller=caller)
        await store.write(ALICE, lambda tx: tx.runs.add(run))
        if state is not None and state.is_parked:
            assert await store.write(ALICE, lambda tx: tx.runs.park(run.id, epoch=1, state=state))
        elif state is not None:
            now = at(next(numbers))
            assert await store.write(ALICE, lambda tx: tx.runs.end(run.id, epoch=1, state=state, now=now))

    async def crowd() -> Crowd:
        return await store.read(ALICE, lambda tx: tx.runs.crowd(about))

    assert await crowd() == Crowd(is_awaited=False, running=0)
    await running(1, "key:k")
    await running(2, "key:k")
    await running(3, "user:alice")
    await running(4, "key:k", RunState.AWAITING_APPROVAL)
    await running(5, "key:k", RunState.COMPLETED)
    assert await crowd() == Crowd(is_awaited=False, running=2)
    await running(0, "key:k")
    assert await crowd() == Crowd(is_awaited=False, running=2)
    await store.write(ALICE, lambda tx: enqueued(tx, talks[0]))
    assert await crowd() == Crowd(is_awaited=True, running=2)
    assert await store.read(BOB, lambda tx: tx.runs.crowd(about)) == Crowd(is_awaited=False, running=0)
