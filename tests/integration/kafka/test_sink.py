"""What Kafka is handed: records that say whose they are, in order, whole or by reference."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]  # it has no stubs
from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # type: ignore[import-untyped]
from parley.v1 import event_pb2
from structlog.testing import capture_logs

from server.adapters.feed.kafka.connection import KafkaConnection, tls_context
from server.adapters.feed.kafka.producer import NotIdempotent, assert_idempotent, close_producer
from server.adapters.feed.kafka.sink import KafkaSink
from server.domain.events import Event, Payload, TextDelta
from server.domain.ids import ConversationId, MessageId, RunId
from server.domain.outbox import Removal, Unpublished
from server.ports.event_sink import SinkUnavailable
from server.rpc.codecs.event import encode_event
from server.rpc.codecs.event_record import BinaryEvents, JsonEvents
from tests.contract.store.builders import ALICE, at, new_id
from tests.support.kafka.broker import PASSWORD, USER, KafkaBroker
from tests.support.kafka.mock_cluster import MockCluster
from tests.support.kafka.topic import check_topic, records_of

# A broker starts in seconds, on a busy machine in many.
pytestmark = pytest.mark.timeout(180)

KEY = "the key"


def event(conversation_id: str, sequence: int, payload: Payload | None = None) -> Event:
    made = payload or TextDelta(MessageId("m"), f"piece {sequence}")
    return Event(ConversationId(conversation_id), KEY, sequence, at(sequence), made, RunId("run_1"), 2, "bob")


def entries(*events: Event) -> list[Unpublished]:
    return [Unpublished(ALICE, each) for each in events]


@asynccontextmanager
async def sink_to(
    servers: str, topic: str, *, codec: BinaryEvents | None = None, event_bytes: int = 900_000
) -> AsyncIterator[KafkaSink]:
    made = KafkaSink(
        KafkaConnection((servers,)), topic=topic, codec=codec or BinaryEvents(), event_bytes=event_bytes, patience=20
    )
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("codec", [BinaryEvents(), JsonEvents()], ids=["protobuf", "json"])
async def test_a_record_says_everything_of_its_event(broker: KafkaBroker, topic: str, codec: BinaryEvents) -> None:
    told = event(new_id(), 7)
    async with sink_to(broker.servers, topic, codec=codec) as sink:
        await sink.deliver(entries(told))
    [record] = await records_of(broker.servers, topic)
    assert record.key.decode() == told.conversation_id
    assert dict(record.headers) == {
        "sequence": b"7",
        "run": b"run_1",
        "epoch": b"2",
        "tenant": b"acme",
        "user": b"alice",
        "kind": b"text_delta",
        "schema": b"parley.v1.Event",
        "content-type": codec.content_type.encode(),
    }
    assert record.timestamp == int(told.created_at.timestamp() * 1000)
    if isinstance(codec, JsonEvents):
        assert json.loads(record.value)["textDelta"] == {"messageId": "m", "text": "piece 7"}
    else:
        assert event_pb2.Event.FromString(record.value) == encode_event(told)
    assert codec.delta(record.value, told.conversation_id) == told


async def test_many_events_of_many_conversations_come_in_the_order_of_each(broker: KafkaBroker, topic: str) -> None:
    logs = {ConversationId(new_id()): list[Event]() for _ in range(20)}
    for conversation_id, log in logs.items():
        log += [event(conversation_id, sequence) for sequence in range(1, 101)]
    together = [log[place] for place in range(100) for log in logs.values()]
    # Batches of a few events only, so that order is not the doing of one batch.
    async with sink_to(broker.servers, topic, event_bytes=5000) as sink:
        for start in range(0, len(together), 500):
            await sink.deliver(entries(*together[start : start + 500]))
    records = await records_of(broker.servers, topic)
    check_topic(records, logs, BinaryEvents(), most=len(together))
    assert len({record.partition for record in records}) == 3
    assert len({(record.key, record.partition) for record in records}) == len(logs)


async def test_a_large_event_goes_by_reference(broker: KafkaBroker, topic: str) -> None:
    small, large = event(new_id(), 1), event(new_id(), 5, TextDelta(MessageId("m"), "x" * 6000))
    async with sink_to(broker.servers, topic, event_bytes=5000) as sink:
        await sink.deliver(entries(small, large))
    records = {record.key.decode(): record for record in await records_of(broker.servers, topic)}
    assert "oversized" not in dict(records[small.conversation_id].headers)
    headers = dict(records[large.conversation_id].headers)
    assert int(headers["oversized"]) == len(BinaryEvents().encode(large)[1])
    assert headers["kind"] == b"text_delta"
    referred = event_pb2.Event.FromString(records[large.conversation_id].value)
    assert (referred.conversation_key, referred.sequence, referred.WhichOneof("payload")) == (KEY, 5, None)
    assert BinaryEvents().delta(records[large.conversation_id].value, large.conversation_id) is None


async def test_a_broker_that_takes_less_than_the_setting_gets_less(broker: KafkaBroker, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": "20000"})])
    finally:
        await admin.close()
    told = [event("c", 1), event("c", 2, TextDelta(MessageId("m"), "x" * 30_000)), event("c", 3)]
    refusals = 0
    async with sink_to(broker.servers, topic, event_bytes=100_000) as sink:
        while True:
            try:
                await sink.deliver(entries(*told))
                break
            except SinkUnavailable:
                refusals += 1
                assert refusals < 5
    assert refusals
    check_topic(await records_of(broker.servers, topic), {ConversationId("c"): told}, BinaryEvents())


async def test_a_deleted_conversation_is_a_record_without_value(broker: KafkaBroker, topic: str) -> None:
    async with sink_to(broker.servers, topic) as sink:
        await sink.deliver(entries(event("c", 1)))
        await sink.remove([Removal(ALICE, ConversationId("c"))])
    told, gone = await records_of(broker.servers, topic)
    assert (gone.key, gone.value, gone.partition) == (b"c", None, told.partition)
    assert dict(gone.headers) == {"kind": b"conversation_deleted", "tenant": b"acme", "user": b"alice"}


async def test_the_way_over_tls_and_with_a_password_leads_to_the_same_topic(broker: KafkaBroker, topic: str) -> None:
    connection = KafkaConnection(
        (broker.guarded,),
        protocol="SASL_SSL",
        tls=tls_context(broker.authority.file, None, None),
        mechanism="SCRAM-SHA-512",
        user=USER,
        password=PASSWORD,
    )
    assert PASSWORD not in repr(connection)
    sink = KafkaSink(connection, topic=topic, codec=BinaryEvents(), event_bytes=900_000, patience=20)
    try:
        await sink.deliver(entries(event("c", 1)))
    finally:
        await sink.close()
    assert len(await records_of(broker.servers, topic)) == 1


def _wrong_password(broker: KafkaBroker, _: Path) -> KafkaConnection:
    tls = tls_context(broker.authority.file, None, None)
    return KafkaConnection(
        (broker.guarded,), protocol="SASL_SSL", tls=tls, mechanism="SCRAM-SHA-512", user=USER, password=f"{PASSWORD}?"
    )


def _wrong_authority(broker: KafkaBroker, folder: Path) -> KafkaConnection:
    from tests.support.certificates import Authority

    tls = tls_context(Authority(folder).file, None, None)
    return KafkaConnection(
        (broker.guarded,), protocol="SASL_SSL", tls=tls, mechanism="SCRAM-SHA-512", user=USER, password=PASSWORD
    )


def _nobody(_: KafkaBroker, __: Path) -> KafkaConnection:
    return KafkaConnection(("127.0.0.1:1",))


@pytest.mark.parametrize("way", [_wrong_password, _wrong_authority, _nobody])
async def test_a_way_that_leads_nowhere_fails_and_names_no_secret(
    broker: KafkaBroker,
    topic: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    way: Callable[[KafkaBroker, Path], KafkaConnection],
) -> None:
    sink = KafkaSink(way(broker, tmp_path), topic=topic, codec=BinaryEvents(), event_bytes=900_000, patience=20)
    with capture_logs() as logs, pytest.raises(SinkUnavailable) as failed:
        await sink.deliver(entries(event("c", 1)))
    await sink.close()
    assert str(failed.value)
    assert PASSWORD not in f"{failed.value!r} {failed.value.__cause__!r} {logs} {caplog.text}"


async def test_a_producer_without_the_guarantees_is_not_used(broker: KafkaBroker) -> None:
    for settings in ({"acks": 1}, {"acks": "all"}):
        producer = AIOKafkaProducer(bootstrap_servers=broker.servers, **settings)
        await producer.start()
        with pytest.raises(NotIdempotent):
            assert_idempotent(producer)
        await close_producer(producer)


async def test_closing_waits_for_no_broker(topic: str) -> None:
    with MockCluster() as cluster:
        cluster.create(topic)
        async with sink_to(cluster.servers[0], topic) as sink:
            await sink.deliver(entries(event("c", 1)))
            cluster.delay(60_000)
            delivering = asyncio.create_task(sink.deliver(entries(event("c", 2))))
            while not sink._producer._message_accumulator._pending_batches:  # noqa: ASYNC110 - the library does it
                await asyncio.sleep(0.01)
            delivering.cancel()
            async with asyncio.timeout(60):
                await asyncio.wait({delivering})
        assert delivering.cancelled()
