"""News between the processes on one database, over LISTEN and NOTIFY.

They are sent after the commit they tell of, many in one statement: a NOTIFY inside a transaction would make every
commit of the database wait for the one before. So a process that dies in between tells nobody, which is why everybody
looks in the database from time to time all the same.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self

import asyncpg  # type: ignore[import-untyped]  # it has no stubs
import structlog

from server.domain.events import Event, RunEnded
from server.domain.ids import ConversationId
from server.ports.peers import Peers

_log = structlog.get_logger(__name__)

_CHANNEL: Final = "parley"
# A payload may have 8000 bytes; an id has 36.
_IDS_PER_NOTICE: Final = 100
_EVENTS, _ENDED, _WORK = "events", "ended", "work"
# A session that was asked to prepare a statement and not yet to execute it counts as active, not as idle, so the
# time-out of idle transactions does not end it. Its process stands still: none lets that much pass between the two.
_END_STANDSTILLS: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = 'parley'
    AND state = 'active' AND wait_event = 'ClientRead' AND state_change < clock_timestamp() - $1::interval
"""
_STANDSTILL: Final = timedelta(seconds=5)
_SWEEP_SECONDS: Final = 2.0
# While there is no connection, as often as this the others' work is looked for.
_BLIND_SECONDS: Final = 1.0


@dataclass(slots=True)
class _News:
    """What is to be told."""

    grown: set[ConversationId] = field(default_factory=set)
    ended: set[ConversationId] = field(default_factory=set)
    """Those of them in which a run ended."""
    work_left: bool = False

    def add(self, other: "_News") -> None:
        """Take over what another could not tell."""
        self.grown |= other.grown
        self.ended |= other.ended
        self.work_left |= other.work_left

    def notices(self) -> Iterator[str]:
        """The payloads that tell it."""
        grown = sorted(self.grown)
        for start in range(0, max(len(grown), self.work_left), _IDS_PER_NOTICE):
            some = grown[start : start + _IDS_PER_NOTICE]
            ended = [conversation_id for conversation_id in some if conversation_id in self.ended]
            yield json.dumps({_EVENTS: some, _ENDED: ended, _WORK: self.work_left})


class NewsLine:
    """One connection that listens and tells, opened again whenever it is lost. Entered with `async with`."""

    def __init__(self, dsn: str, *, peers: Peers, patience: float) -> None:
        self._dsn = dsn
        self._peers = peers
        self._patience = patience
        self._untold = _News()
        self._has_news = asyncio.Event()
        self._all_told = asyncio.Event()
        self._all_told.set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is None:
            return
        # What was committed last is told, too: most of all that this process leaves work behind.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_told.wait(), _BLIND_SECONDS)
        self._task.cancel()
        await asyncio.wait({self._task})

    def tell_events(self, events: Iterable[Event]) -> None:
        """Tell the others of committed events."""
        for event in events:
            self._untold.grown.add(event.conversation_id)
            if isinstance(event.payload, RunEnded):
                self._untold.ended.add(event.conversation_id)
            self._wake()

    def tell_gone(self, conversation_ids: Iterable[ConversationId]) -> None:
        """Tell the others of conversations that are no more, with whatever went on in them."""
        self._untold.grown.update(conversation_ids)
        self._untold.ended.update(conversation_ids)
        self._wake()

    def tell_work(self) -> None:
        """Tell the others that a run waits for a worker."""
        self._untold.work_left = True
        self._wake()

    def _wake(self) -> None:
        self._has_news.set()
        self._all_told.clear()

    async def _keep(self) -> None:
        """Connect, listen and tell; again and again."""
        while True:
            try:
                await self._listen()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
                _log.warning("news_line_lost", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - the boundary of a task that must not end while the store is open
                _log.exception("news_line_failed")
            await asyncio.sleep(_BLIND_SECONDS)
            self._peers.news_lost()

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            self._dsn,
            timeout=self._patience,
            command_timeout=self._patience,
            server_settings={"application_name": "parley news", "tcp_keepalives_idle": "5"},
        )
        try:
            connection.add_termination_listener(lambda _: self._has_news.set())
            await connection.add_listener(_CHANNEL, self._hear)
            # What happened before anybody listened.
            self._peers.news_lost()
            swept = 0.0
            while not connection.is_closed():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._has_news.wait(), _SWEEP_SECONDS)
                if self._has_news.is_set():
                    self._has_news.clear()
                    await self._tell(connection)
                if time.monotonic() - swept >= _SWEEP_SECONDS:
                    swept = time.monotonic()
                    await connection.execute(_END_STANDSTILLS, _STANDSTILL)
        finally:
            connection.terminate()

    async def _tell(self, connection: Any) -> None:
        """Tell what has gathered; while that is under way more gathers."""
        news, self._untold = self._untold, _News()
        try:
            for notice in news.notices():
                await connection.execute("SELECT pg_notify($1, $2)", _CHANNEL, notice)
        except BaseException:
            self._untold.add(news)
            self._has_news.set()
            raise
        if not self._has_news.is_set():
            self._all_told.set()

    def _hear(self, connection: Any, sender: int, _channel: str, payload: object) -> None:
        if sender == connection.get_server_pid():
            return
        try:
            notice = json.loads(str(payload))
            for conversation_id in notice[_EVENTS]:
                self._peers.events_stored(ConversationId(conversation_id))
            for conversation_id in notice[_ENDED]:
                self._peers.run_ended(ConversationId(conversation_id))
            if notice[_WORK]:
                self._peers.work_left()
        except (ValueError, KeyError, TypeError):
            _log.warning("news_not_understood")
