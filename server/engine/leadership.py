"""Work that one of all processes on a store does at a time: whichever holds an outlet's lease."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from server.domain.errors import StoreUnavailable
from server.engine.tenure import Tenure
from server.ports.system import Clock

_log = structlog.get_logger(__name__)


async def _nothing() -> None:
    """Do nothing."""


class Leadership:
    """Does the work whenever nobody else does, for as long as the lease is held. Never ends by itself."""

    def __init__(
        self,
        *,
        tenure: Tenure,
        clock: Clock,
        heartbeat: float,
        log: str,
        work: Callable[[], Awaitable[None]],
        meanwhile: Callable[[], Awaitable[None]] = _nothing,
        afterwards: Callable[[], Any] = lambda: None,
    ) -> None:
        """`work` returns when it finds that the lease is lost, and is cancelled when this finds it. `meanwhile` is
        called at each heartbeat, `afterwards` whenever the work has ended. `log` names the work in the log."""
        self._tenure = tenure
        self._clock = clock
        self._heartbeat = heartbeat
        self._log = log
        self._work = work
        self._meanwhile = meanwhile
        self._afterwards = afterwards

    async def lead(self) -> None:
        """Take the lease whenever it is to be had."""
        while True:
            try:
                if await self._tenure.renew():
                    await self._work_while_held()
            except StoreUnavailable as unavailable:
                _log.warning("store_unavailable", cause=unavailable.message)
            except Exception:  # noqa: BLE001 - the boundary of a loop that must not end while the service lives
                _log.exception(f"{self._log}_failed")
            self._afterwards()
            await self._clock.sleep(self._heartbeat)

    async def _work_while_held(self) -> None:
        _log.debug(f"{self._log}_began", epoch=self._tenure.epoch)
        working = asyncio.ensure_future(self._work())
        try:
            while not working.done() and await self._still_held():
                await self._meanwhile()
                await asyncio.wait({working}, timeout=self._heartbeat)
        finally:
            working.cancel()
            await asyncio.wait({working})
        if not working.cancelled():
            working.result()
        _log.debug(f"{self._log}_ended", epoch=self._tenure.epoch)

    async def _still_held(self) -> bool:
        try:
            return await self._tenure.renew()
        except StoreUnavailable:
            return self._tenure.is_held
