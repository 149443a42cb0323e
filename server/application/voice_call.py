"""One voice session of this process, from its room to its end: whoever ends it, the room is closed and the bot gone."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from server.application.audit import Audit
from server.application.runs import Runs
from server.application.standing import Standing
from server.application.streams import Streams
from server.application.voice_talk import Talk
from server.domain.audit import Act, Deed
from server.domain.errors import ParleyError, ShuttingDown, StoreUnavailable
from server.domain.principal import Principal
from server.domain.voice import End, VoiceLimits, VoiceSession
from server.domain.voice_errors import TooManyVoiceSessions, VoiceServiceUnavailable
from server.ports.feed import Feed, SubscriptionLagged
from server.ports.store import Store, Transaction
from server.ports.system import Clock
from server.ports.voice import Bot, Bots, Guest, Invitation, Phrases, Rooms, VoiceFigures
from server.tasks import OwnTasks

_log = structlog.get_logger(__name__)

_CLOSING_SECONDS: Final = 10.0
"""How long removing the row, and then closing the room, may take: a service that stops waits for it."""
BOT: Final = Guest("parley-bot", "Parley")


@dataclass(frozen=True, slots=True)
class CallParts:
    """What every call works with."""

    store: Store
    feed: Feed
    clock: Clock
    audit: Audit
    runs: Runs
    streams: Streams
    standing: Standing
    rooms: Rooms
    bots: Bots
    limits: VoiceLimits
    phrases: Phrases
    figures: VoiceFigures


class VoiceCall:
    """See the module. `run` is its life, in a task of its owner's; the others wait for its steps or end it."""

    _session: VoiceSession

    def __init__(self, parts: CallParts, *, key: str, principal: Principal) -> None:
        self._parts = parts
        self._key = key
        self._principal = principal
        self._opened: asyncio.Future[VoiceSession] = asyncio.get_running_loop().create_future()
        self._wish: asyncio.Future[End] = asyncio.get_running_loop().create_future()

    def check_joining(self, principal: Principal) -> None:
        """Raise `TooManyVoiceSessions` for whoever acts for the user where the user, or another one in the user's name,
        made the session, and the other way round: all that is said in it counts as said by who made it."""
        if principal.actor != self._principal.actor:
            raise TooManyVoiceSessions("conversation", 1)

    async def opened(self) -> VoiceSession:
        """The session, once it can be joined. Raises why it cannot."""
        return await asyncio.shield(self._opened)

    def end(self, why: End) -> None:
        """Have it end. The first to say why counts."""
        if not self._wish.done():
            self._wish.set_result(why)

    async def run(self, session: VoiceSession) -> None:
        """Open the room of a reserved session, have the bot join, talk, close the room. Raises nothing but
        `CancelledError`."""
        self._session = session
        end = End.FAILED
        try:
            end = await _first(self._live, self._be_told)
        except ParleyError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - the boundary of a call: no other may suffer from it
            _log.exception("voice_session_failed", session=self._session.id)
            self._fail(error)
        finally:
            self._fail(
                ShuttingDown() if end is End.STOPPED else VoiceServiceUnavailable("it was ended before it began")
            )
            await self._gone(end)

    async def _live(self) -> End:
        parts, session = self._parts, self._session
        url = await parts.rooms.open(session.room_name, until=session.expires_at)
        token = await parts.rooms.admit(session.room_name, BOT, until=session.expires_at)
        async with parts.bots.joined(Invitation(url, token, session.expires_at)) as bot:
            if not await parts.store.write(self._principal.owner, lambda tx: self._note_opened(tx, url)):
                raise VoiceServiceUnavailable("it was ended before it began")
            self._opened.set_result(replace(session, room_url=url))
            parts.figures.opened()
            _log.info("voice_session_opened", session=session.id, room=session.room_name)
            return await self._talk(bot)

    async def _talk(self, bot: Bot) -> End:
        parts = self._parts
        talk = Talk(
            session=self._session,
            key=self._key,
            principal=self._principal,
            bot=bot,
            store=parts.store,
            clock=parts.clock,
            runs=parts.runs,
            streams=parts.streams,
            standing=parts.standing,
            limits=parts.limits,
            phrases=parts.phrases,
        )
        end = End.FAILED
        try:
            end = await _first(talk.run, self._watch, self._expire)
            if end is End.BOT_LEFT and not await self._renew():
                end = End.GONE  # another process ended the session and closed the room
        finally:
            await talk.finish(self._wish.result() if self._wish.done() else end)
        return end

    async def _be_told(self) -> End:
        return await asyncio.shield(self._wish)

    async def _expire(self) -> End:
        left = self._session.expires_at - self._parts.clock.now()
        await self._parts.clock.sleep(max(0.0, left.total_seconds()))
        return End.EXPIRED

    async def _watch(self) -> End:
        """Say again and again that it lives, and see when its row is gone: at once when this process is told of it."""
        parts, heartbeat = self._parts, self._parts.limits.heartbeat.total_seconds()
        async with parts.feed.subscribe(self._session.conversation_id) as subscription:
            due = parts.clock.monotonic() + heartbeat
            while True:
                try:
                    await subscription.next(max(0.0, due - parts.clock.monotonic()))
                except SubscriptionLagged:
                    due = 0.0
                if parts.clock.monotonic() >= due:
                    if not await self._renew():
                        return End.GONE
                    due = parts.clock.monotonic() + heartbeat

    async def _renew(self) -> bool:
        until = self._parts.clock.now() + self._parts.limits.lease
        try:
            return await self._parts.store.write(
                self._principal.owner, lambda tx: tx.voice_sessions.renew(self._session.id, until)
            )
        except StoreUnavailable:
            _log.warning("voice_lease_not_renewed", session=self._session.id)
            return True

    async def _note_opened(self, tx: Transaction, url: str) -> bool:
        if not await tx.voice_sessions.open(self._session.id, url):
            return False
        await self._account(tx, Act.VOICE_SESSION_CREATED)
        return True

    async def _account(self, tx: Transaction, act: Act) -> None:
        by = replace(self._principal, write="")
        await self._parts.audit.record(tx, by, [Deed(act, self._session.room_name)])

    def _fail(self, error: Exception) -> None:
        if self._opened.done():
            return
        self._opened.set_exception(error)
        self._opened.exception()  # whoever asked may have gone: nobody need hear of it
        reason = error.reason if isinstance(error, ParleyError) else "INTERNAL"
        _log.warning("voice_session_not_opened", session=self._session.id, reason=reason)
        self._parts.figures.failed(reason)

    async def _gone(self, end: End) -> None:
        """Leave nothing behind: the row, the record that it is over, and the room. What fails of that lapses or expires
        by itself; nothing is raised, which would end every other call, too."""
        was_open = self._opened.done() and self._opened.exception() is None

        async def unit(tx: Transaction) -> None:
            if await tx.voice_sessions.remove(self._session.id) and was_open:
                await self._account(tx, Act.VOICE_SESSION_ENDED)

        await self._try("voice_session_not_removed", self._parts.store.write(self._principal.owner, unit))
        await self._try("voice_room_not_closed", self._parts.rooms.close(self._session.room_name))
        if was_open:
            self._parts.figures.ended(end)
            _log.info("voice_session_ended", session=self._session.id, why=end.value)

    async def _try(self, failure: str, work: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await work
        except Exception as error:  # noqa: BLE001 - as in `run`
            _log.warning(failure, session=self._session.id, reason=type(error).__name__)


async def _first(*works: Callable[[], Awaitable[End]]) -> End:
    """What the first of them to end comes to; the others are cancelled, and over when this returns."""
    async with OwnTasks() as group:
        tasks = [group.create_task(_outcome(work)) for work in works]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    outcome = next(task for task in tasks if task in done).result()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _outcome(work: Callable[[], Awaitable[End]]) -> End | Exception:
    """What the work comes to, or what it raises: the group would wrap that."""
    try:
        return await work()
    except Exception as error:  # noqa: BLE001 - raised again by `_first`
        return error
