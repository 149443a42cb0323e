"""Use cases of voice: make a session, or join the one that lives; end it. Sessions live in this process."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

import structlog

from server.application.conversations import lock
from server.application.repeats import Repeats
from server.application.voice_call import CallParts, VoiceCall
from server.domain.audit import Act, Deed
from server.domain.errors import ParleyError, ShuttingDown
from server.domain.ids import ConversationId, VoiceSessionId
from server.domain.principal import Principal
from server.domain.voice import End, VoiceSession, room_name
from server.domain.voice_errors import TooManyVoiceSessions, VoiceServiceUnavailable, VoiceSessionNotFound
from server.ports.store import Transaction
from server.ports.system import Ids
from server.ports.voice import Guest
from server.ports.worker import Worker
from server.tasks import OwnTasks

_log = structlog.get_logger(__name__)

SEND: Final = "parley.v1.RunService/SendMessage"
_SOON: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Admission:
    """A session, and the secret by which the caller joins it."""

    session: VoiceSession
    token: str


@dataclass(frozen=True, slots=True)
class _Created:
    """What a repeated call is answered from: which session it was. Its token is made anew."""

    session_id: VoiceSessionId
    conversation_id: ConversationId


@dataclass(frozen=True, slots=True)
class _Ended:
    """Which session a call ended."""

    session_id: VoiceSessionId
    conversation_id: ConversationId
    room_name: str


class Voice:
    """Voice sessions of callers' conversations. Entered with `async with`; on leaving, those of this process end.

    A conversation has one session at a time, on whatever process: its row says so, which that process renews.
    """

    def __init__(self, parts: CallParts, *, ids: Ids, repeats: Repeats, worker: Worker) -> None:
        self._parts = parts
        self._worker = worker
        self._ids = ids
        self._repeats = repeats
        self._group = OwnTasks()
        self._calls: dict[VoiceSessionId, VoiceCall] = {}
        self._lives: set[asyncio.Task[None]] = set()
        self._is_draining = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drain()
        if self._lives:  # not to be cancelled: each closes its room and takes its row away, in bounded time
            await asyncio.wait(self._lives)
        await self._group.__aexit__(kind, error, trace)

    def drain(self) -> None:
        """Make no session any more, and end those that there are."""
        self._is_draining = True
        for call in self._calls.values():
            call.end(End.STOPPED)

    async def create(self, principal: Principal, key: str) -> Admission:
        """Make a session of a conversation, or join the one that lives.

        Raises `ConversationNotFound`, `VoiceUnavailable`, `VoiceServiceUnavailable`, `VoiceServiceRefused`,
        `TooManyVoiceSessions`, `ShuttingDown`, and `VoiceSessionNotFound` for a repeated call whose session is over.
        Cancelled, the session may have been made; the bot leaves it when nobody comes.
        """
        self._parts.bots.require()
        session = await self._joinable(principal, key)

        async def unit(tx: Transaction) -> _Created:
            if await tx.voice_sessions.get(session.id) is None:
                raise VoiceServiceUnavailable("it has ended already")
            return _Created(session.id, session.conversation_id)

        await self._repeats.write(principal, _Created, unit, of=lambda made: made.conversation_id)
        guest = Guest(str(principal.user_id), principal.user)
        return Admission(session, await self._parts.rooms.admit(session.room_name, guest, until=session.expires_at))

    async def end(self, principal: Principal, key: str) -> str:
        """End the session of a conversation for everybody; returns the name of its room, which nobody can be in
        much longer. Raises `ConversationNotFound`, `VoiceSessionNotFound`."""
        now = self._parts.clock.now()

        async def unit(tx: Transaction) -> _Ended:
            conversation = await lock(tx, key)
            session = await tx.voice_sessions.of(conversation.id)
            if session is None or not session.is_live(now):
                raise VoiceSessionNotFound(key)
            await tx.voice_sessions.remove(session.id)
            return _Ended(session.id, conversation.id, session.room_name)

        done = await self._repeats.write(
            principal,
            _Ended,
            unit,
            of=lambda ended: ended.conversation_id,
            deeds=lambda ended: [Deed(Act.VOICE_SESSION_ENDED, ended.room_name)],
        )
        if not done.repeated:
            await self._hang_up(done.result)
        return done.result.room_name

    async def _joinable(self, principal: Principal, key: str) -> VoiceSession:
        """The session of a conversation, once it can be joined."""
        session = await self._worker.uninterrupted(self._reserved(principal, key))
        call = self._calls.get(session.id)
        if call is not None:
            call.check_joining(principal)
            return await call.opened()
        if not session.is_open:
            raise VoiceServiceUnavailable("another process is about to open one", retry_after=_SOON)
        return session

    async def _reserved(self, principal: Principal, key: str) -> VoiceSession:
        """The session of a conversation; a new one begins to be opened."""
        if self._is_draining:
            raise ShuttingDown
        session_id = VoiceSessionId(str(self._ids.uuid()))
        # Known before it is stored, so that whoever finds it in the store finds it here, too.
        call = self._calls[session_id] = VoiceCall(self._parts, key=key, principal=_lasting(principal))
        try:
            session, stale = await self._parts.store.write(
                principal.owner, lambda tx: self._reserve(tx, principal, key, session_id)
            )
        except BaseException:
            del self._calls[session_id]
            raise
        if session.id == session_id:
            self._begin(call, session)
        else:
            del self._calls[session_id]
        if stale is not None:
            await self._close(stale.room_name)
        return session

    async def _reserve(
        self, tx: Transaction, principal: Principal, key: str, session_id: VoiceSessionId
    ) -> tuple[VoiceSession, VoiceSession | None]:
        """The session that the call was answered with before, or that lives, or a new one; then also one that nobody
        holds any more and that it takes the place of."""
        now, mark = self._parts.clock.now(), principal.request_key
        if mark is not None and await self._repeats.found(tx, mark, now=now) is not None:
            created = await tx.requests.recall(mark.id, _Created)
            session = await tx.voice_sessions.get(created.session_id)
            if session is None or not session.is_live(now):
                raise VoiceSessionNotFound(key)
            return session, None
        conversation = await lock(tx, key)
        session = await tx.voice_sessions.of(conversation.id)
        if session is not None and session.is_live(now):
            return session, None
        await self._check_limits(tx, now)
        if session is not None:
            await tx.voice_sessions.remove(session.id)
        new = self._new(session_id, conversation.id, now)
        await tx.voice_sessions.add(new)
        return new, session

    async def _check_limits(self, tx: Transaction, now: datetime) -> None:
        limits = self._parts.limits
        if len(self._calls) > limits.per_process:  # the one that is about to be made is among them
            raise TooManyVoiceSessions("server", limits.per_process)
        if await tx.voice_sessions.count_live(now) >= limits.per_user:
            raise TooManyVoiceSessions("user", limits.per_user)

    def _new(self, session_id: VoiceSessionId, conversation_id: ConversationId, now: datetime) -> VoiceSession:
        limits = self._parts.limits
        return VoiceSession(
            id=session_id,
            conversation_id=conversation_id,
            room_name=room_name(session_id),
            room_url="",
            created_at=now,
            expires_at=(now + limits.duration).replace(microsecond=0),
            lease_until=now + max(limits.lease, 2 * limits.joining),
        )

    def _begin(self, call: VoiceCall, session: VoiceSession) -> None:
        task = self._group.create_task(call.run(session))
        self._lives.add(task)
        task.add_done_callback(self._lives.discard)
        task.add_done_callback(lambda _: self._calls.pop(session.id, None))
        if self._is_draining:
            call.end(End.STOPPED)

    async def _hang_up(self, ended: _Ended) -> None:
        call = self._calls.get(ended.session_id)
        if call is not None:
            call.end(End.HUNG_UP)
        else:  # another process's bot finds itself put out of the room, and its row gone
            await self._close(ended.room_name)

    async def _close(self, room: str) -> None:
        try:
            await self._parts.rooms.close(room)
        except ParleyError as error:  # it expires by itself
            _log.warning("voice_room_not_closed", room=room, reason=error.reason)


def _lasting(principal: Principal) -> Principal:
    """The principal of everything that is said in a session: without the mark of the call that made it, and with what
    the audit calls a message in another's name."""
    return replace(principal, request_key=None, write=SEND)
