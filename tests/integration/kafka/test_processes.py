"""Real server processes with Kafka between them, or without it for a while."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.adapters.feed.kafka.connection import KafkaConnection
from server.adapters.feed.kafka.records import REMOVED
from server.adapters.feed.kafka.tail import KafkaTail
from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.domain.events import AttemptReset, Event
from server.domain.ids import ConversationId
from server.domain.principal import Owner
from server.ports.feed import Subscription, SubscriptionLagged
from tests.contract.store.builders import at
from tests.faults.client import Client, Viewer
from tests.faults.cluster import Cluster, Node, cluster
from tests.faults.databases import Database, Databases, PostgresDatabase, SqliteDatabase
from tests.integration.kafka.publishing import CODEC, node_to, say, talks
from tests.support.kafka.broker import PASSWORD, USER, KafkaBroker
from tests.support.kafka.topic import check_topic, kinds, records_of
from tests.support.nursery import Nursery
from tests.support.upstream import Gate, ScriptedUpstream, answer

# Processes start and end here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_PATIENCE_SECONDS = 150
_OWNER = Owner("default", "anna")
_STREAM_STEPS = ("outbox.fetched", "outbox.sent", "outbox.marked")


@asynccontextmanager
async def served(
    folder: Path,
    database: Database,
    nursery: Nursery,
    settings: Mapping[str, str],
    *,
    shared: bool,
) -> AsyncIterator[tuple[Cluster, Client, ScriptedUpstream]]:
    """Processes to be, whoever calls them, and their model."""
    async with (
        ScriptedUpstream(default=answer("one ", "two ", "three ", "four")) as upstream,
        cluster(
            folder=folder,
            database=database,
            upstream=upstream.base_url,
            shared=shared,
            nursery=nursery,
            settings=settings,
        ) as servers,
    ):
        client = Client(servers, database.key)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                yield servers, client, upstream
        finally:
            await client.close()


async def events_of(url: str) -> dict[ConversationId, list[Event]]:
    """What the event table says of Anna's conversations."""
    async with open_store(url, feed=LocalFeed()) as store:
        found = await store.read(_OWNER, lambda tx: tx.conversations.get("talk"))
        assert found is not None
        return {found.id: await store.read(_OWNER, lambda tx: tx.events.after(found.id, 0, limit=10_000))}


async def send(client: Client, node: Node) -> str:
    body = {"conversation_key": "talk", "user_message": {"content": "hi"}}
    return str((await client.call("send-message", body, node=node))["runId"])


async def ended(client: Client, node: Node, run_id: str) -> None:
    while (await client.call("get-run", {"run_id": run_id}, node=node))["status"] != "COMPLETED":  # noqa: ASYNC110 - over HTTP
        await asyncio.sleep(0.05)  # the model answers in a process of its own


def postgres_url_of(database: PostgresDatabase) -> str:
    dsn = database.settings(Path(), shared=True)["PARLEY_DATABASE"]
    return dsn.replace("postgresql:", "postgresql+asyncpg:")


async def test_a_viewer_elsewhere_sees_every_event_and_resumes_on_either(
    tmp_path: Path,
    postgres: PostgresDatabase,
    nursery: Nursery,
    broker: KafkaBroker,
    topic: str,
) -> None:
    settings = {"PARLEY_KAFKA_BOOTSTRAP_SERVERS": broker.servers, "PARLEY_KAFKA_TOPIC": topic}
    async with served(tmp_path, postgres, nursery, settings, shared=True) as (servers, client, upstream):
        here, there = await asyncio.gather(servers.start("here"), servers.start("there"))
        await client.call("create-thread", {"conversation_key": "talk", "name": ""}, node=here)
        gate = Gate()
        upstream.script(answer("one ", gate, "two ", "three"))
        servers.turn_to(there)
        viewer = Viewer(client, servers, "talk")
        run = await send(client, here)
        await viewer.saw(lambda seen: any("one " in event.raw for event in seen))
        gate.open()
        await viewer.saw(lambda seen: bool(seen) and seen[-1].name == "run_ended")
        seen = list(viewer.seen)
        await viewer.close()
        assert [event.id for event in seen] == list(range(1, len(seen) + 1))
        for node in (here, there):
            for after in range(seen[-1].id):
                rest = await client.replay(
                    node, "stream-run", {"run_id": run}, until=lambda one: one.id == seen[-1].id, after=after
                )
                assert rest == seen[after:]
        logs = await events_of(postgres_url_of(postgres))
        records = await records_of(broker.servers, topic, until=lambda found: len(found) >= len(seen))
        check_topic(records, logs, CODEC)
        await client.call("delete-thread", {"conversation_key": "talk"}, node=here)
        await records_of(broker.servers, topic, until=lambda found: REMOVED in kinds(found))
        await servers.end()
    await postgres.check()


@pytest.fixture
def kafka(broker: KafkaBroker, topic: str) -> tuple[str, str]:
    """Where the brokers are, and a topic."""
    return broker.servers, topic


@pytest.mark.parametrize("step", _STREAM_STEPS)
async def test_a_publisher_that_is_killed_at_a_step_loses_nothing(
    tmp_path: Path, postgres: PostgresDatabase, nursery: Nursery, kafka: tuple[str, str], step: str
) -> None:
    brokers, topic = kafka
    settings = {"PARLEY_KAFKA_BOOTSTRAP_SERVERS": brokers, "PARLEY_KAFKA_TOPIC": topic}
    async with served(tmp_path, postgres, nursery, settings, shared=True) as (servers, client, _):
        first = await servers.start("first", failpoints=f"{step}=kill@2")
        second = await servers.start("second")
        await client.call("create-thread", {"conversation_key": "talk", "name": ""}, node=second)
        while first.service.process.poll() is None:
            await ended(client, second, await send(client, second))
        await first.failed(step, "kill")
        await ended(client, second, await send(client, second))
        logs = await events_of(postgres_url_of(postgres))
        wanted = sum(map(len, logs.values()))
        records = await records_of(brokers, topic, until=lambda found: _different(found) >= wanted)
        check_topic(records, logs, CODEC)
        await servers.end()
    await postgres.check()


async def test_a_service_starts_and_answers_without_a_broker_and_catches_up(
    tmp_path: Path,
    databases: Databases,
    nursery: Nursery,
    own_broker: KafkaBroker,
    topic: str,
) -> None:
    """Over TLS and with a password, which is told to nobody."""
    settings = {
        "PARLEY_KAFKA_BOOTSTRAP_SERVERS": own_broker.guarded,
        "PARLEY_KAFKA_TOPIC": topic,
        "PARLEY_KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
        "PARLEY_KAFKA_CA": str(own_broker.authority.file),
        "PARLEY_KAFKA_USER": USER,
        "PARLEY_KAFKA_PASSWORD": PASSWORD,
    }
    database: SqliteDatabase = await databases.sqlite(tmp_path)
    async with served(tmp_path, database, nursery, settings, shared=False) as (servers, client, _):
        node = await servers.start("alone")
        await client.call("create-thread", {"conversation_key": "talk", "name": ""}, node=node)
        await ended(client, node, await send(client, node))
        await shown(node, "parley_kafka_lag_events", lambda value: value > 0)
        await shown(node, "parley_kafka_failures_total", lambda value: value > 0)
        async with httpx.AsyncClient(base_url=node.base, trust_env=False) as http:
            assert (await http.get("/readyz")).status_code == 200
        await asyncio.to_thread(own_broker.start)
        await ended(client, node, await send(client, node))
        await shown(node, "parley_kafka_published_total", lambda value: value > 0)
        await shown(node, "parley_kafka_lag_events", lambda value: value == 0)
        logs = await events_of(f"sqlite+aiosqlite:///{tmp_path / 'alone' / 'parley.db'}")
        wanted = sum(map(len, logs.values()))
        records = await records_of(own_broker.servers, topic, until=lambda found: _different(found) >= wanted)
        check_topic(records, logs, CODEC)
        await servers.end()
        assert [path for path in files_below(tmp_path) if PASSWORD.encode() in path.read_bytes()] == []


async def test_pieces_of_answers_come_over_kafka_alone(sqlite_url: str, broker: KafkaBroker, topic: str) -> None:
    """A feed that is told by nobody else shows them, and sends its readers to the store for the rest."""
    feed = LocalFeed()
    connection = KafkaConnection((broker.servers,))
    async with node_to(sqlite_url, (broker.servers,), topic) as here:
        [talk, other] = await talks(here.store, 2)
        async with (
            feed.subscribe(talk.id) as subscription,
            KafkaTail(connection, topic=topic, codec=CODEC, readers=feed),
            asyncio.timeout(120),
        ):
            # Where the end of the topic is has been found out: every reader looks in the store now.
            await lags(subscription)
            said = [*await say(here.store, talk, "1", "2"), *await say(here.store, talk, "3")]
            await say(here.store, other, "unread")
            heard: list[Event] = []
            while len(heard) < len(said):
                heard += await subscription.next(5) or []
            assert heard == said
            assert feed.lacks(talk.id, 4)
            assert not feed.lacks(talk.id, 3)
            assert not feed.lacks(other.id, 1)
            await here.store.write(talk.owner, lambda tx: tx.events.append(talk.id, [AttemptReset(2)], now=at(2)))
            await lags(subscription)


def _different(records: list[Any]) -> int:
    return len({(record.key, dict(record.headers).get("sequence")) for record in records})


def files_below(folder: Path) -> list[Path]:
    """Logs, databases and whatever else."""
    return [path for path in folder.rglob("*") if path.is_file()]


async def lags(subscription: Subscription) -> None:
    """Wait until a reader is sent to the store."""
    with suppress(SubscriptionLagged):
        while True:
            await subscription.next(5)


async def shown(node: Node, figure: str, fact: Callable[[float], bool]) -> None:
    """Wait until a figure of the metrics has a quality."""
    async with httpx.AsyncClient(base_url=node.base, trust_env=False) as http:
        while True:
            page = (await http.get("/metrics")).text
            values = [float(line.split()[-1]) for line in page.splitlines() if line.startswith(f"{figure} ")]
            if values and fact(values[0]):
                return
            await asyncio.sleep(0.1)
