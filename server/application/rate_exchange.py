"""Processes on one store tell each other how many calls they let in: one report each a second, of all callers together.

Between two exchanges a process knows of its own calls only. So of a limit of N, processes together let in N calls in
sixty-one seconds, and besides what the others let in since they were last heard of, which is what arrives there in
about a second. In no case do P processes let in more than P times N, for each keeps the limit by itself.

A report that comes late makes calls count longer, never shorter. When the store does not answer, each process goes on
by itself and tells the rest later.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

import structlog

from server.application.rates import Rates
from server.domain.errors import StoreUnavailable
from server.domain.rate_report import RateReport
from server.domain.rates import WINDOW_SECONDS
from server.ports.store import Store, SystemTransaction
from server.ports.system import Clock
from server.tasks import OwnTasks

_log = structlog.get_logger(__name__)

INTERVAL: Final = timedelta(seconds=1)
_REMEMBERED: Final = timedelta(seconds=WINDOW_SECONDS + 1)
# A transaction may be committed later than others that began after it. No report is looked for longer than this.
_OVERLAP: Final = timedelta(seconds=10)
_FORGET_EVERY: Final = 60
_FORGET_AT_ONCE: Final = 10_000


class RateExchange:
    """Entered with `async with`, it exchanges reports as it begins, every second, and as it ends."""

    def __init__(
        self, *, store: Store, clock: Clock, rates: Rates, process: str, interval: timedelta = INTERVAL
    ) -> None:
        """`process` names this one, and no other one that was or will be on the store."""
        self._store = store
        self._clock = clock
        self._rates = rates
        self._process = process
        self._interval = interval.total_seconds()
        self._pending: dict[str, int] = {}
        self._sequence = 1
        self._heard: dict[str, int] = {}
        self._heard_at: datetime | None = None
        self._exchanges = 0
        self._tasks = OwnTasks()

    async def __aenter__(self) -> Self:
        with suppress(StoreUnavailable):
            await self.exchange()
        await self._tasks.__aenter__()
        self._tasks.create_task(self._exchange_now_and_then())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.__aexit__(kind, error, trace)
        with suppress(StoreUnavailable):
            await self.exchange()

    async def exchange(self) -> None:
        """Tell what was counted, and hear what others counted, in one transaction. Raises `StoreUnavailable`; then it
        is told the next time, under the same number, should it have been stored all the same."""
        if not self._pending:
            self._pending = dict(self._rates.unreported())
        counts, sequence, forgets = self._pending, self._sequence, not self._exchanges % _FORGET_EVERY

        async def unit(tx: SystemTransaction) -> tuple[datetime, list[RateReport]]:
            now = await tx.time()
            if counts:
                await tx.add_rate_report(RateReport(self._process, sequence, now, counts))
            if forgets:
                await tx.forget_rate_reports(now - 2 * _REMEMBERED, limit=_FORGET_AT_ONCE)
            since = now - _REMEMBERED if self._heard_at is None else self._heard_at - _OVERLAP
            return now, await tx.rate_reports(since=since, but_of=self._process)

        now, reports = await (self._store.write_system(unit) if counts or forgets else self._store.read_system(unit))
        self._exchanges += 1
        if counts:
            self._pending, self._sequence = {}, sequence + 1
        self._hear(reports, now)

    def _hear(self, reports: list[RateReport], now: datetime) -> None:
        """Count what is new. The store's `now` is a little in the past: taken for the present, calls count longer."""
        present, heard = self._clock.monotonic(), dict[str, int]()
        for report in reports:
            if report.sequence > self._heard.get(report.process, 0):
                age = max((now - report.at).total_seconds(), 0.0)
                self._rates.add_elsewhere(report.counts.items(), then=present - age)
            heard[report.process] = report.sequence
        # Of processes that are silent for longer than reports are looked for, nothing old is found again.
        self._heard = heard
        self._heard_at = now

    async def _exchange_now_and_then(self) -> None:
        while True:
            await self._clock.sleep(self._interval)
            try:
                await self.exchange()
            except StoreUnavailable:
                _log.warning("rates_not_exchanged")
