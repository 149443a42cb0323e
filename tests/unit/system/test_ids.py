"""SystemIds makes UUIDv7 that only ever grow."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

from server.adapters.system import SystemIds


def _clock(*milliseconds: int) -> Iterator[int]:
    yield from (millisecond * 1_000_000 for millisecond in milliseconds)


def _millisecond(made: UUID) -> int:
    return made.int >> 80


def test_version_variant_and_time_are_those_of_rfc_9562() -> None:
    times = _clock(0x017F22E279B0)
    made = SystemIds(time_ns=lambda: next(times)).uuid()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert str(made).startswith("017f22e2-79b0-7")


def test_ids_of_one_millisecond_are_distinct_and_grow() -> None:
    ids = SystemIds(time_ns=lambda: 5_000_000)
    made = [ids.uuid() for _ in range(20_000)]
    assert made == sorted(set(made))
    assert [str(one) for one in made] == sorted(str(one) for one in made)
    assert {_millisecond(one) for one in made} == {5}


def test_ids_grow_when_the_wall_clock_jumps_back() -> None:
    times = _clock(1000, 1000, 3, 1001)
    ids = SystemIds(time_ns=lambda: next(times))
    made = [ids.uuid() for _ in range(4)]
    assert made == sorted(set(made))
    assert [_millisecond(one) for one in made] == [1000, 1000, 1000, 1001]


def test_a_millisecond_that_runs_out_of_values_borrows_the_next() -> None:
    ids = SystemIds(time_ns=lambda: 7_000_000, randbits=lambda bits: (1 << bits) - 1)
    ids._start(7)
    ids._tail = (1 << 74) - 1
    before = ids.uuid()
    assert _millisecond(before) == 8
    assert before < ids.uuid()


def test_ids_of_two_processes_differ_in_the_same_millisecond() -> None:
    one, other = SystemIds(time_ns=lambda: 0), SystemIds(time_ns=lambda: 0)
    assert one.uuid() != other.uuid()


def test_threads_never_get_the_same_id() -> None:
    ids = SystemIds()
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda _: [ids.uuid() for _ in range(2000)], range(4)))
    made = [one for batch in batches for one in batch]
    assert len(set(made)) == len(made)
    assert all(batch == sorted(batch) for batch in batches)
