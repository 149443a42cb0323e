"""Kafka, where the settings name brokers: the publisher of the outbox, and the end of the topic as a feed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from server.adapters.feed.local import LocalFeed
from server.adapters.figures import PrometheusPublisherFigures
from server.config import Settings
from server.domain.ids import WorkerId
from server.domain.limits import Limits
from server.engine.publisher import Publisher
from server.failure import InvalidConfiguration
from server.ports.store import Store
from server.ports.system import Clock, Ids
from server.rpc.codecs.event_record import BinaryEvents, JsonEvents

if TYPE_CHECKING:
    from server.adapters.feed.kafka.connection import KafkaConnection

# What another process has stored comes over Kafka within this, or is looked up in the store.
FEED_PATIENCE: Final = timedelta(milliseconds=250)


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """What the settings say of Kafka, checked as far as that can be done without a broker."""

    connection: "KafkaConnection"
    topic: str
    codec: BinaryEvents
    event_bytes: int


def read_kafka(settings: Settings) -> KafkaConfig | None:
    """The configuration; `None` when no broker is named. Raises `InvalidConfiguration`."""
    if not settings.kafka_servers:
        return None
    if find_spec("aiokafka") is None:
        raise InvalidConfiguration(
            "PARLEY_KAFKA_BOOTSTRAP_SERVERS needs the extra 'kafka': pip install 'parley[kafka]'."
        )
    from server.adapters.feed.kafka.connection import KafkaConnection, KafkaFilesUnusable, quiet_library, tls_context

    quiet_library()
    password = settings.kafka_password
    try:
        tls = (
            tls_context(settings.kafka_ca, settings.kafka_certificate, settings.kafka_key)
            if settings.kafka_security_protocol in ("ssl", "sasl_ssl")
            else None
        )
    except KafkaFilesUnusable as error:
        raise InvalidConfiguration(str(error)) from error
    return KafkaConfig(
        connection=KafkaConnection(
            servers=settings.kafka_servers,
            protocol=settings.kafka_security_protocol.upper(),
            tls=tls,
            mechanism=settings.kafka_sasl_mechanism.upper(),
            user=settings.kafka_user,
            password=None if password is None else password.get_secret_value(),
        ),
        topic=settings.kafka_topic,
        codec=JsonEvents() if settings.kafka_format == "json" else BinaryEvents(),
        event_bytes=settings.kafka_event_bytes,
    )


@asynccontextmanager
async def opened_kafka(
    config: KafkaConfig | None,
    *,
    store: Store,
    feed: LocalFeed,
    outbox: asyncio.Event,
    clock: Clock,
    ids: Ids,
    limits: Limits,
    registry: CollectorRegistry,
) -> AsyncIterator[None]:
    """Publish and follow for the length of the block; brokers that are away keep nothing from starting or going on.
    `outbox` is set whenever there may be something to publish."""
    if config is None:
        yield
        return
    from server.adapters.feed.kafka.sink import KafkaSink
    from server.adapters.feed.kafka.tail import KafkaTail

    async with AsyncExitStack() as stack:
        sink = KafkaSink(config.connection, topic=config.topic, codec=config.codec, event_bytes=config.event_bytes)
        stack.push_async_callback(sink.close)
        await stack.enter_async_context(
            Publisher(
                store=store,
                sink=sink,
                clock=clock,
                limits=limits,
                worker=WorkerId(str(ids.uuid())),
                wake=outbox,
                figures=PrometheusPublisherFigures(registry),
            )
        )
        tail = KafkaTail(config.connection, topic=config.topic, codec=config.codec, readers=feed)
        await stack.enter_async_context(tail)
        yield
