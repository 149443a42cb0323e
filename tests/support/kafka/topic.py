"""What a topic holds, and that it is what the logs hold."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]  # it has no stubs

from server.adapters.feed.kafka.records import KIND, OVERSIZED, SEQUENCE, EventCodec, header
from server.domain.events import Event
from server.domain.ids import ConversationId

_PATIENCE_SECONDS: Final = 60


async def records_of(servers: str, topic: str, *, until: Callable[[list[Any]], bool] = lambda _: True) -> list[Any]:
    """Every record, partition by partition in order, as soon as the whole has a quality."""
    found: list[Any] = []
    async with asyncio.timeout(_PATIENCE_SECONDS):
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=servers, group_id=None, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        try:
            while not (await _is_at_end(consumer) and until(found)):
                for records in (await consumer.getmany(timeout_ms=50)).values():
                    found += records
        finally:
            await consumer.stop()
    return found


async def _is_at_end(consumer: Any) -> bool:
    ends = await consumer.end_offsets(list(consumer.assignment()))
    return bool(ends) and all([await consumer.position(partition) >= end for partition, end in ends.items()])


def check_topic(
    records: Sequence[Any],
    logs: Mapping[ConversationId, Sequence[Event]],
    codec: EventCodec,
    *,
    most: int | None = None,
) -> None:
    """Assert that the topic, each event taken the first time that it comes, is exactly the logs, in their order. It has
    `most` records at most."""
    seen: dict[str, dict[int, bytes]] = {}
    for record in records:
        if record.value is None:
            continue
        sequence = int(header(record.headers, SEQUENCE) or 0)
        own = seen.setdefault(record.key.decode(), {})
        if sequence not in own:
            assert sequence == len(own) + 1, f"{sequence} came after {len(own)}"
            own[sequence] = record.value
        else:
            assert own[sequence] == record.value, "one place in a log, two events"
    expected = {
        str(conversation_id): {event.sequence: codec.encode(event)[1] for event in log}
        for conversation_id, log in logs.items()
        if log
    }
    oversized = {(record.key.decode(), _sequence(record)) for record in records if header(record.headers, OVERSIZED)}
    assert seen.keys() == expected.keys()
    for conversation_id, log in expected.items():
        assert seen[conversation_id].keys() == log.keys(), "the topic lacks events, or has others"
        for sequence, value in log.items():
            assert (conversation_id, sequence) in oversized or seen[conversation_id][sequence] == value
    assert most is None or len(records) <= most


def kinds(records: Sequence[Any]) -> list[str]:
    """What the records tell of, in order."""
    return [(header(record.headers, KIND) or b"").decode() for record in records]


def _sequence(record: Any) -> int:
    return int(header(record.headers, SEQUENCE) or 0)
