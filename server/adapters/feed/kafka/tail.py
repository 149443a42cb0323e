"""Follows the end of the topic and shows this process's readers what the others have stored.

Pieces of answers, nearly everything that a stream shows, are shown as they come. For any other event the conversation's
readers are sent to the store, which is the truth in every case: a record that is late, doubled or lost shows up as a
gap in the sequence, and whoever sees one looks in the store.
"""

import asyncio
from types import TracebackType
from typing import Any, Final, Protocol, Self

import structlog
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]  # it has no stubs
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from server.adapters.feed.kafka.connection import KafkaConnection
from server.adapters.feed.kafka.records import KIND, OVERSIZED, SEQUENCE, EventCodec, header
from server.domain.events import Event
from server.domain.ids import ConversationId

_log = structlog.get_logger(__name__)

_PAUSES: Final = (0.5, 1.0, 2.0, 5.0, 15.0)
_POLL_MILLISECONDS: Final = 1000
_DELTAS: Final = frozenset({b"text_delta", b"reasoning_delta"})


class Readers(Protocol):
    """Whoever reads streams of this process; see `LocalFeed`."""

    def lacks(self, conversation_id: ConversationId, sequence: int) -> bool: ...  # noqa: D102 - see `LocalFeed`
    def show(self, events: list[Event]) -> None: ...  # noqa: D102
    def resync(self, conversation_id: ConversationId) -> None: ...  # noqa: D102
    def resync_all(self) -> None: ...  # noqa: D102


class KafkaTail:
    """A consumer of every partition, in no group, from the end on. Entered with `async with`; it never fails its
    owner."""

    def __init__(self, connection: KafkaConnection, *, topic: str, codec: EventCodec, readers: Readers) -> None:
        self._connection = connection
        self._topic = topic
        self._codec = codec
        self._readers = readers
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _keep(self) -> None:
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._follow()
            except (KafkaError, OSError) as error:
                _log.warning("kafka_not_followed", cause=type(error).__name__)
            except Exception:  # noqa: BLE001 - the boundary of a task that must not end while the service lives
                _log.exception("kafka_not_followed")
            lived = asyncio.get_running_loop().time() - began
            failures = 0 if lived > max(_PAUSES) else failures + 1
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            self._topic,
            **self._connection.arguments(),
            client_id="parley",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            metadata_max_age_ms=15_000,
        )
        try:
            await consumer.start()
            # Where the end is must be known before anybody relies on hearing what comes behind it.
            for partition in consumer.assignment():
                await consumer.position(partition)
            _log.info("kafka_followed", topic=self._topic, partitions=len(consumer.assignment()))
            self._readers.resync_all()
            while True:
                for records in (await consumer.getmany(timeout_ms=_POLL_MILLISECONDS)).values():
                    for record in records:
                        self._take(record)
        finally:
            await consumer.stop()

    def _take(self, record: Any) -> None:
        """Show a record, or have its readers look in the store. Whatever else may be in the topic is ignored."""
        try:
            conversation_id = ConversationId((record.key or b"").decode())
            sequence = int(header(record.headers, SEQUENCE) or 0)
        except ValueError:
            return
        if record.value is None:
            self._readers.resync(conversation_id)
        elif self._readers.lacks(conversation_id, sequence):
            event = self._delta(record, conversation_id)
            if event is not None and event.sequence == sequence:
                self._readers.show([event])
            else:
                self._readers.resync(conversation_id)

    def _delta(self, record: Any, conversation_id: ConversationId) -> Event | None:
        if header(record.headers, KIND) not in _DELTAS or header(record.headers, OVERSIZED) is not None:
            return None
        return self._codec.delta(record.value, conversation_id)
