"""Hands events to Kafka.

Of each partition one batch is under way at a time, and the next is sent only when it has been acknowledged: whatever
fails, nothing behind it has arrived, so the order of a conversation holds without the broker's help. The producer is
idempotent, so what the library itself sends again is not doubled. After a failure the producer is discarded and a new
one made: how far the old one came is not known, and its numbers would not fit.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import structlog
from aiokafka.errors import (  # type: ignore[import-untyped]  # it has no stubs
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.partitioner import DefaultPartitioner  # type: ignore[import-untyped]

from server.adapters.feed.kafka.connection import KafkaConnection
from server.adapters.feed.kafka.producer import NotIdempotent, close_producer, open_producer
from server.adapters.feed.kafka.records import EventCodec, Record, event_record, removal_record
from server.domain.outbox import Removal, Unpublished
from server.ports.event_sink import SinkUnavailable

_log = structlog.get_logger(__name__)

# A smaller limit no broker needs.
_LEAST_BYTES: Final = 4096


class KafkaSink:
    """See `ports.event_sink.EventSink`. Belongs to one task; `close` when it is no longer used."""

    def __init__(
        self, connection: KafkaConnection, *, topic: str, codec: EventCodec, event_bytes: int, patience: float = 10.0
    ) -> None:
        """A record larger than `event_bytes` goes by reference. `patience` is how many seconds a delivery may take,
        and a request to a broker."""
        self._connection = connection
        self._topic = topic
        self._codec = codec
        self._limit = event_bytes
        self._patience = patience
        self._producer: Any = None
        self._partitioner: Callable[[bytes, list[int], list[int]], int] = DefaultPartitioner()

    async def deliver(self, entries: Sequence[Unpublished]) -> None:
        """See `EventSink`."""
        await self._send(event_record(entry, self._codec, limit=self._limit) for entry in entries)

    async def remove(self, removals: Sequence[Removal]) -> None:
        """See `EventSink`."""
        await self._send(map(removal_record, removals))

    async def close(self) -> None:
        """Leave the brokers."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_producer(producer)

    async def _send(self, records: Iterable[Record]) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._send_each(await self._opened(), list(records))
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            await self.close()
            self._shrink()
            raise SinkUnavailable("the broker takes no batch of that size") from error
        except TimeoutError as error:
            await self.close()
            raise SinkUnavailable("no broker has acknowledged in time") from error
        except (KafkaError, NotIdempotent, OSError) as error:
            await self.close()
            raise SinkUnavailable(_named(error)) from error
        except BaseException:
            await self.close()
            raise

    async def _opened(self) -> Any:
        if self._producer is None:
            self._producer = await open_producer(self._connection, batch_bytes=self._limit, patience=self._patience)
            _log.info("kafka_reached", topic=self._topic)
        return self._producer

    async def _send_each(self, producer: Any, records: Sequence[Record]) -> None:
        partitions = sorted(await producer.partitions_for(self._topic))
        by_key: dict[bytes, list[Record]] = defaultdict(list)
        for record in records:
            by_key[record.key].append(record)
        by_partition: dict[int, list[Record]] = defaultdict(list)
        for key, own in by_key.items():
            by_partition[self._partitioner(key, partitions, partitions)] += own
        sending = [self._send_to(producer, partition, own) for partition, own in by_partition.items()]
        failures = [each for each in await asyncio.gather(*sending, return_exceptions=True) if each is not None]
        if failures:
            raise failures[0]

    async def _send_to(self, producer: Any, partition: int, records: Sequence[Record]) -> None:
        """Send to one partition, batch after batch."""
        sent = 0
        while sent < len(records):
            batch = producer.create_batch()
            taken = _fill(batch, records[sent:])
            acknowledged = await producer.send_batch(batch, self._topic, partition=partition)
            # The library does not bear that its future is cancelled.
            await asyncio.shield(acknowledged)
            sent += taken

    def _shrink(self) -> None:
        """The broker's own limit is lower than ours: come down to it."""
        if self._limit > _LEAST_BYTES:
            self._limit = max(self._limit // 2, _LEAST_BYTES)
        _log.warning("kafka_takes_smaller_events", event_bytes=self._limit, setting="PARLEY_KAFKA_EVENT_BYTES")


def _fill(batch: Any, records: Sequence[Record]) -> int:
    """Append as many as there is room for, at least one; returns how many."""
    for number, record in enumerate(records):
        time = None if record.time is None else int(record.time.timestamp() * 1000)
        if batch.append(key=record.key, value=record.value, timestamp=time, headers=list(record.headers)) is None:
            return number
    return len(records)


def _named(error: BaseException) -> str:
    """The failure by its name alone: what the library says may quote what it was told."""
    return type(error).__name__
