"""The event table is the outbox: what it holds, the topic gets, whatever happens to brokers and publishers."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from server.domain.outbox import Removal, Unpublished
from server.ports.event_sink import SinkUnavailable
from tests.integration.kafka.publishing import CODEC, drained, logs, node, node_to, say, sink_to, talks
from tests.support.kafka.broker import KafkaBroker
from tests.support.kafka.mock_cluster import (
    CLUSTER_AUTHORIZATION_FAILED,
    MESSAGE_TOO_LARGE,
    NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    NOT_LEADER,
    OUT_OF_ORDER_SEQUENCE,
    PRODUCE,
    REQUEST_TIMED_OUT,
    MockCluster,
)
from tests.support.kafka.topic import check_topic, kinds, records_of

# A broker starts in seconds, on a busy machine in many.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """A database of the test's own, on each of the kinds."""
    return str(request.getfixturevalue(f"{request.param}_url"))


class RecordedSink:
    """A sink in memory that can be held up and can fail."""

    def __init__(self) -> None:
        self.taken: list[Unpublished] = []
        self.gone: list[Removal] = []
        self.open = asyncio.Event()
        self.open.set()
        self.entered = asyncio.Event()
        self.failures = 0

    async def deliver(self, entries: Sequence[Unpublished]) -> None:
        self.entered.set()
        await self.open.wait()
        if self.failures:
            self.failures -= 1
            raise SinkUnavailable("as told")
        self.taken += entries

    async def remove(self, removals: Sequence[Removal]) -> None:
        self.gone += removals

    @property
    def sequences(self) -> list[int]:
        return [entry.event.sequence for entry in self.taken]


async def test_the_topic_is_the_logs_though_many_write_at_once(url: str, broker: KafkaBroker, topic: str) -> None:
    async with node_to(url, (broker.servers,), topic) as here:
        conversations = await talks(here.store, 10)
        await asyncio.gather(
            *(say(here.store, talk, *"ab"[: number % 2 + 1]) for talk in conversations for number in range(20))
        )
        await drained(here.store)
        records = await records_of(broker.servers, topic)
        check_topic(records, await logs(here.store, *conversations), CODEC, most=300)
        assert here.figures.arrived == 300
        assert here.figures.failures == 0


async def test_what_was_not_published_is_after_a_restart(sqlite_url: str, broker: KafkaBroker, topic: str) -> None:
    nowhere = RecordedSink()
    nowhere.open.clear()
    async with node(sqlite_url, nowhere) as before:
        [talk] = await talks(before.store, 1)
        for number in range(50):
            await say(before.store, talk, f"{number}")
    async with node_to(sqlite_url, (broker.servers,), topic) as after:
        await drained(after.store)
        check_topic(await records_of(broker.servers, topic), await logs(after.store, talk), CODEC, most=50)


async def test_a_broker_that_is_killed_and_comes_back_gets_everything(
    sqlite_url: str, own_broker: KafkaBroker, topic: str
) -> None:
    await asyncio.to_thread(own_broker.start)
    async with node_to(sqlite_url, (own_broker.servers,), topic, patience=3) as here:
        [talk, other] = await talks(here.store, 2)
        for number in range(100):
            await say(here.store, talk, f"{number}")
        await drained(here.store)
        await asyncio.to_thread(own_broker.kill)
        began = time.monotonic()
        for number in range(100):
            await say(here.store, other, f"{number}")
            await say(here.store, talk, f"again {number}")
        told_while_away = time.monotonic() - began
        assert (await here.store.read_system(lambda tx: tx.backlog())).events == 200
        await asyncio.to_thread(own_broker.start)
        back = time.monotonic()
        await drained(here.store)
        print(
            f"200 appends without a broker: {told_while_away:.2f} s; drained {time.monotonic() - back:.2f} s after it"
        )
        check_topic(await records_of(own_broker.servers, topic), await logs(here.store, talk, other), CODEC)
        assert here.figures.failures


async def test_a_broker_that_is_silent_slows_nobody_and_loses_nothing(sqlite_url: str, topic: str) -> None:
    with MockCluster() as cluster:
        cluster.create(topic, 2)
        async with node_to(sqlite_url, cluster.servers, topic, patience=2) as here:
            [talk] = await talks(here.store, 1)
            await say(here.store, talk, "before")
            await drained(here.store)
            cluster.delay(60_000)
            for number in range(50):
                await say(here.store, talk, f"{number}")
            async with asyncio.timeout(60):
                while not here.figures.failures:  # noqa: ASYNC110 - a time-out does it
                    await asyncio.sleep(0.02)
            cluster.delay(0)
            await drained(here.store)
            check_topic(await records_of(cluster.servers[0], topic), await logs(here.store, talk), CODEC)


@pytest.mark.parametrize(
    "errors",
    [
        [NOT_LEADER, REQUEST_TIMED_OUT],
        [NOT_ENOUGH_REPLICAS_AFTER_APPEND],
        [CLUSTER_AUTHORIZATION_FAILED],
        [MESSAGE_TOO_LARGE],
        [OUT_OF_ORDER_SEQUENCE],
        [0, CLUSTER_AUTHORIZATION_FAILED, 0, REQUEST_TIMED_OUT, OUT_OF_ORDER_SEQUENCE],
    ],
    ids=str,
)
async def test_errors_of_the_broker_lose_and_reorder_nothing(sqlite_url: str, topic: str, errors: list[int]) -> None:
    with MockCluster() as cluster:
        cluster.create(topic, 2)
        async with node_to(sqlite_url, cluster.servers, topic) as here:
            conversations = await talks(here.store, 4)
            await asyncio.gather(*(say(here.store, talk, "0") for talk in conversations))
            await drained(here.store)
            cluster.fail(PRODUCE, errors)
            for number in range(30):
                await asyncio.gather(*(say(here.store, talk, f"{number}") for talk in conversations))
            await drained(here.store)
            records = await records_of(cluster.servers[0], topic)
            check_topic(records, await logs(here.store, *conversations), CODEC)


async def test_slow_brokers_and_brokers_that_go_lose_nothing(sqlite_url: str, topic: str) -> None:
    with MockCluster(2) as cluster:
        cluster.create(topic, 2)
        async with node_to(sqlite_url, cluster.servers, topic, patience=3) as here:
            conversations = await talks(here.store, 3)
            cluster.delay(150)
            for number in range(10):
                await asyncio.gather(*(say(here.store, talk, f"slow {number}") for talk in conversations))
            await drained(here.store)
            cluster.delay(0)
            cluster.down()
            for number in range(10):
                await asyncio.gather(*(say(here.store, talk, f"away {number}") for talk in conversations))
            cluster.up()
            await drained(here.store)
            records = await records_of(cluster.servers[0], topic)
            check_topic(records, await logs(here.store, *conversations), CODEC)


async def test_of_two_publishers_one_publishes(postgres_url: str) -> None:
    """Whichever process appends: the one that holds the outbox hears of it."""
    mine, others = RecordedSink(), RecordedSink()
    async with node(postgres_url, mine) as here:
        [talk] = await talks(here.store, 1)
        await say(here.store, talk, "1")
        await drained(here.store)
        async with node(postgres_url, others) as there:
            for number in range(2, 30):
                await say((here, there)[number % 2].store, talk, f"{number}")
            await drained(there.store)
            assert others.taken == []
        assert mine.sequences == list(range(1, 30))


async def test_a_publisher_that_stops_hands_over_to_the_next(postgres_url: str) -> None:
    mine, others = RecordedSink(), RecordedSink()
    async with node(postgres_url, others) as there:
        async with node(postgres_url, mine) as here:
            [talk] = await talks(here.store, 1)
            await say(here.store, talk, "1")
            await drained(here.store)
        await say(there.store, talk, "2")
        await drained(there.store)
    assert sorted(mine.sequences + others.sequences) == [1, 2]


async def test_a_publisher_that_stood_still_marks_nothing(postgres_url: str) -> None:
    """It has delivered, and cannot renew; when it wakes up, another has taken over."""
    mine, others = RecordedSink(), RecordedSink()
    mine.open.clear()
    async with node(postgres_url, mine) as here:
        [talk] = await talks(here.store, 1)
        await say(here.store, talk, "1", "2")
        await mine.entered.wait()
        # Stands still: the lease is not renewed any more, and what is under way goes no further.
        tenure = here.publisher._tenure
        renew, held_until = tenure.renew, tenure._held_until

        async def never() -> bool:
            await asyncio.Event().wait()
            return True

        tenure.renew = never  # type: ignore[method-assign]  # what a stopped process does
        async with node(postgres_url, others) as there:
            await drained(there.store)
            assert others.sequences == [1, 2]
            await say(there.store, talk, "3")
            await drained(there.store)
            # Wakes up in the middle of its delivery, its clock none the wiser.
            tenure._held_until = held_until + 3600
            mine.open.set()
            await say(there.store, talk, "4")
            await drained(there.store)
            tenure.renew = renew  # type: ignore[method-assign]
        assert others.sequences == [1, 2, 3, 4]
        assert mine.sequences == [1, 2]
        assert here.figures.arrived == 0


async def test_an_attempt_that_fails_is_made_again_from_its_beginning(sqlite_url: str) -> None:
    sink = RecordedSink()
    sink.failures = 2
    async with node(sqlite_url, sink) as here:
        [talk] = await talks(here.store, 1)
        await say(here.store, talk, "1", "2")
        await drained(here.store)
        assert sink.sequences == [1, 2]
        assert here.figures.failures == 2


async def test_what_waits_is_measured(sqlite_url: str) -> None:
    sink = RecordedSink()
    sink.open.clear()
    async with node(sqlite_url, sink) as here:
        [talk] = await talks(here.store, 1)
        await say(here.store, talk, "1", "2")
        async with asyncio.timeout(60):
            while here.figures.events != 2:  # noqa: ASYNC110 - the publisher does it
                await asyncio.sleep(0.02)
        assert here.figures.seconds > 0
        sink.open.set()
        async with asyncio.timeout(60):
            while here.figures.events:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.02)
        assert here.figures.seconds == 0


async def test_a_deletion_is_told_after_what_was_told_of_the_conversation(
    url: str, broker: KafkaBroker, topic: str
) -> None:
    async with node_to(url, (broker.servers,), topic) as here:
        [talk, kept] = await talks(here.store, 2)
        await say(here.store, talk, "1")
        await drained(here.store)
        await here.store.write(talk.owner, lambda tx: tx.conversations.delete(talk.id))
        await say(here.store, kept, "1")

        def is_told(records: list[object]) -> bool:
            return len(records) == 3

        records = await records_of(broker.servers, topic, until=is_told)
        assert kinds([each for each in records if each.key.decode() == talk.id]) == [
            "text_delta",
            "conversation_deleted",
        ]
        async with asyncio.timeout(60):
            while await here.store.read_system(lambda tx: tx.removals(limit=9)):  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.02)


async def test_a_sink_is_closed_with_what_it_opened(sqlite_url: str, broker: KafkaBroker, topic: str) -> None:
    sink = sink_to((broker.servers,), topic)
    before = len(asyncio.all_tasks())
    async with node(sqlite_url, sink) as here:
        [talk] = await talks(here.store, 1)
        await say(here.store, talk, "1")
        await drained(here.store)
    await sink.close()
    assert len(asyncio.all_tasks()) == before
