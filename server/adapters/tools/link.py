"""The connection to one tool server: opened when it is needed, by a task that owns it, and again after it broke.

The SDK's contexts must be left by the task that entered them, so a task of its own holds each connection from its
first byte to its last; callers only borrow the session.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from datetime import timedelta
from typing import Final

import structlog

from server.adapters.tools.back_off import BackOff
from server.adapters.tools.inbox import Wire
from server.adapters.tools.opening import opened_session
from server.adapters.tools.server_config import ToolServerConfig
from server.adapters.tools.session import Session
from server.ports.system import Clock
from server.ports.tools import ToolSchemas, ToolServerUnavailable
from server.tasks import OwnTasks

_log = structlog.get_logger(__name__)

_SHORT: Final = 1.0
"""Seconds of back-off that a caller waits for; with longer ones it gets an error at once."""

OpenWire = Callable[[ToolServerConfig], AbstractAsyncContextManager[Wire]]


class _Life:
    """One connection, from the attempt to open it to its end."""

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.opening: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        # One that failed is told to whoever waits for it; they may have gone.
        self.opening.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.is_noted = False
        """Whether its end is reckoned with."""

    @property
    def is_spent(self) -> bool:
        """Whether nobody can use it any more."""
        done = self.opening
        return done.done() and (done.exception() is not None or not done.result().is_usable)


class Link:
    """At most one usable connection at a time. Safe to use from many tasks of one loop."""

    def __init__(
        self,
        config: ToolServerConfig,
        *,
        group: OwnTasks,
        open_wire: OpenWire,
        schemas: ToolSchemas,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        """`group` holds the owning tasks, and ends them."""
        self.config = config
        self._group = group
        self._open_wire = open_wire
        self._schemas = schemas
        self._clock = clock
        self._back_off = BackOff(random=random)
        self._not_before = clock.monotonic()
        self._life: _Life | None = None

    async def session(self) -> Session:
        """The open session, opened now if there is none. Raises `ToolServerUnavailable`: it cannot be opened, or could
        not be a moment ago."""
        life = self._life
        if life is None or life.is_spent:
            if life is not None:
                self._note_end(life)
            await self._pause()
            # Somebody else may have begun during the pause.
            life = self._begin() if self._life is life or self._life is None else self._life
        return await asyncio.shield(life.opening)

    async def _pause(self) -> None:
        seconds = self._not_before - self._clock.monotonic()
        if seconds > _SHORT:
            message = f"the tool server {self.config.name!r} is down; it is tried again in {seconds:.0f} s"
            raise self._unavailable(message, seconds)
        if seconds > 0:
            await self._clock.sleep(seconds)

    def _begin(self) -> _Life:
        self._life = life = _Life(self._clock.monotonic())
        # It serves whoever comes: what it logs is no part of the request that happens to be the first.
        self._group.create_task(self._own(life), context=Context())
        return life

    async def _own(self, life: _Life) -> None:
        name, cause = self.config.name, f"the tool server {self.config.name!r} broke the connection"
        try:
            await self._live(life)
        except asyncio.CancelledError:
            cause = "the service is stopping"
            raise
        except TimeoutError:
            cause = f"the tool server {name!r} did not answer in time"
        except OSError as error:
            cause = f"the tool server {name!r} cannot be started: {error.strerror or 'the system refuses'}"
        except Exception as error:  # noqa: BLE001 - the boundary of a server: nothing else may suffer from it
            cause = _told(error) or cause
        finally:
            pause = self._note_end(life)
            _log.info("tool_server_closed", server=name, cause=cause, next_in=round(pause, 3))
            if not life.opening.done():
                life.opening.set_exception(self._unavailable(cause, pause))

    async def _live(self, life: _Life) -> None:
        """Open, lend, and close when the connection is over. Raises why it could not be opened."""
        over = asyncio.Event()
        async with (
            asyncio.timeout(self.config.connect_timeout.total_seconds()) as limit,
            self._open_wire(self.config) as wire,
            opened_session(self.config, wire, over=over, schemas=self._schemas, clock=self._clock) as session,
        ):
            limit.reschedule(None)
            life.opening.set_result(session)
            await over.wait()
            self._note_end(life)

    def _note_end(self, life: _Life) -> float:
        """Reckon with the end of a connection, once; the seconds until the next may be tried."""
        now = self._clock.monotonic()
        if not life.is_noted:
            life.is_noted = True
            lasted = now - life.begun
            if life.opening.done():
                pause = self._back_off.pause(lived=lasted)
            else:
                # Whoever asks waits for the attempt: one that hangs may not take up more than half of their time.
                pause = max(self._back_off.pause(lived=0), lasted)
            self._not_before = now + pause
        return max(self._not_before - now, 0)

    def _unavailable(self, cause: str, seconds: float) -> ToolServerUnavailable:
        return ToolServerUnavailable(
            self.config.name,
            f"{cause}; go on without it or have its operator look at it",
            retry_after=timedelta(seconds=seconds),
        )


def _told(error: Exception) -> str | None:
    """What a connection failed of, where it is known: the SDK's task groups wrap whatever passes through them."""
    if isinstance(error, ToolServerUnavailable):
        return error.message
    inner = error.exceptions if isinstance(error, ExceptionGroup) else ()
    return next((told for one in inner if (told := _told(one))), None)
