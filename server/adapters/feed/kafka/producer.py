"""The library's producer, opened so that nothing is doubled or reordered on its way, and closed without waiting."""

import asyncio
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]  # it has no stubs

from server.adapters.feed.kafka.connection import KafkaConnection

# A batch has a head, too.
_HEAD_BYTES: Final = 512
_CLOSE_SECONDS: Final = 2.0
_ALL_REPLICAS: Final = -1


class NotIdempotent(Exception):
    """The producer does not have the guarantees that it was asked for."""


async def open_producer(connection: KafkaConnection, *, batch_bytes: int, patience: float) -> Any:
    """A producer that the brokers have given an id, without which they would take a batch twice. Raises what the
    library raises, and `NotIdempotent`."""
    producer = AIOKafkaProducer(
        **connection.arguments(),
        client_id="parley",
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=batch_bytes + _HEAD_BYTES,
        request_timeout_ms=int(patience * 500),
        metadata_max_age_ms=60_000,
    )
    try:
        await producer.start()
        assert_idempotent(producer)
    except BaseException:
        await close_producer(producer)
        raise
    return producer


def assert_idempotent(producer: Any) -> None:
    """What counts is the setting in effect, not the one that was asked for. Raises `NotIdempotent`."""
    transactions, sender = producer._txn_manager, producer._sender  # noqa: SLF001 - no public name tells
    if transactions is None or not transactions.has_pid() or sender._acks != _ALL_REPLICAS:  # noqa: SLF001 - likewise
        raise NotIdempotent("the producer is not idempotent, or does not wait for all replicas")


async def close_producer(producer: Any) -> None:
    """Close at once. The library's own way waits for every acknowledgement, however long the broker is away; what has
    none is published again."""
    await producer.client.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(producer._sender.close(), _CLOSE_SECONDS)  # noqa: SLF001 - `stop` does it too late
    accumulator = producer._message_accumulator  # noqa: SLF001 - `stop` would wait for what it holds
    accumulator._batches.clear()  # noqa: SLF001
    accumulator._pending_batches.clear()  # noqa: SLF001
    await producer.stop()
