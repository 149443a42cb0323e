"""A call that is under way: what the bot hears is sent to the thread, what the thread answers is told to the bot."""

import asyncio
from contextlib import aclosing
from typing import Final

import structlog

from server.application.runs import Runs, SendMessage
from server.application.standing import Standing
from server.application.streams import Streams
from server.application.voice_turn import Turn
from server.domain.conversation import InterruptPolicy
from server.domain.errors import ConversationNotFound, ParleyError, RunNotFound, ShuttingDown, StoreUnavailable
from server.domain.events import Event, MessageCompleted, Payload, RunEnded, RunPaused, TextDelta
from server.domain.message import Role, Spoken
from server.domain.principal import Principal
from server.domain.run import RunState
from server.domain.voice import VOICE_SCOPE, End, VoiceLimits, VoiceSession
from server.domain.voice_errors import VoiceSessionNotFound
from server.ports.store import Store, Transaction
from server.ports.system import Clock
from server.ports.voice import BargedIn, Bot, BotEvent, BotGone, Heard, Phrases, SaidAloud
from server.tasks import OwnTasks

_log = structlog.get_logger(__name__)

_NOBODY_LISTENS: Final = frozenset({End.HUNG_UP, End.GONE, End.EMPTY, End.EXPIRED})


class Talk:
    """One call of one principal. Every turn is a message of theirs like any other: with their guardrails, limits and
    budgets, and only as long as they may."""

    def __init__(
        self,
        *,
        session: VoiceSession,
        key: str,
        principal: Principal,
        bot: Bot,
        store: Store,
        clock: Clock,
        runs: Runs,
        streams: Streams,
        standing: Standing,
        limits: VoiceLimits,
        phrases: Phrases,
    ) -> None:
        """`key` names the conversation."""
        self._session = session
        self._key = key
        self._principal = principal
        self._bot = bot
        self._store = store
        self._clock = clock
        self._runs = runs
        self._streams = streams
        self._standing = standing
        self._limits = limits
        self._phrases = phrases
        self._turn: Turn | None = None
        self._group = OwnTasks()

    async def run(self) -> End:
        """Talk until the bot is gone or the talk has to end; returns why. May be cancelled at any moment. Call `finish`
        behind it."""
        async with self._group:
            return await self._listen()

    async def finish(self, end: End) -> None:
        """Bring the last turn to its end: who has hung up wants no more of the answer; when the call broke, it is
        written to its end, to be read. What was spoken of it is stored, if it is."""
        if self._turn is None:
            return
        if end in _NOBODY_LISTENS:
            await self._interrupt(self._turn)
        await self._settle(self._turn)

    async def _listen(self) -> End:
        while True:
            event = await self._bot.next()
            if isinstance(event, BotGone):
                _log.info("voice_bot_gone", session=self._session.id, why=event.why.value, detail=event.detail)
                return event.why
            end = await self._take(event)
            if end is not None:
                return end

    async def _take(self, event: BotEvent) -> End | None:
        match event:
            case Heard():
                return await self._answer(event)
            case BargedIn(turn=number) if self._turn is not None and number == self._turn.number:
                await self._interrupt(self._turn)
            case SaidAloud(turn=number) if self._turn is not None and number == self._turn.number:
                await self._note(self._turn, event)
        return None

    async def _answer(self, heard: Heard) -> End | None:
        """Send a turn. Before, the turn before it is brought to its end, so that the model is shown what was heard of
        it."""
        before = self._turn
        if before is not None:
            if heard.turn <= before.number:
                return End.BOT_BROKE_RULES
            await self._interrupt(before)
            await self._finish(before)
        try:
            if not await self._standing.holds(self._principal, VOICE_SCOPE):
                return End.UNAUTHORISED
            return await self._send(heard)
        except (ConversationNotFound, VoiceSessionNotFound):
            return End.GONE
        except ShuttingDown:
            return End.STOPPED
        except ParleyError as error:
            _log.info("voice_turn_refused", session=self._session.id, turn=heard.turn, reason=error.reason)
            self._refuse(heard.turn)
            return None

    async def _send(self, heard: Heard) -> End | None:
        if len(heard.text.encode()) > self._limits.transcript_bytes or not heard.text.strip():
            self._refuse(heard.turn)
            return None
        message = SendMessage(self._key, heard.text, interrupt_policy=InterruptPolicy.INTERRUPT)
        run = await self._runs.send(self._principal, message, prepare=self._still_on)
        self._turn = Turn(heard.turn, run)
        self._group.create_task(self._follow(self._turn))
        return None

    async def _still_on(self, tx: Transaction) -> None:
        """Refuse a turn of a call that was ended; another conversation may have the key by now."""
        if await tx.voice_sessions.get(self._session.id) is None:
            raise VoiceSessionNotFound(self._key)

    def _refuse(self, turn: int) -> None:
        self._bot.notice(turn, self._phrases.refused)
        self._bot.ended(turn, RunState.FAILED)

    async def _follow(self, turn: Turn) -> None:
        try:
            shown = self._streams.run(turn.run.owner, turn.run.id, after=0)
            async with aclosing(shown) as events:
                async for event in events:
                    if isinstance(event, Event):
                        self._tell(turn, event.payload)
        except (RunNotFound, ConversationNotFound, ShuttingDown):
            pass  # the session ends for the same reason
        except ParleyError as error:
            _log.warning("voice_answer_lost", session=self._session.id, turn=turn.number, reason=error.reason)
            self._tell(turn, RunEnded(RunState.FAILED))
        turn.is_over.set()
        if turn.is_spoken_to_the_end:
            await self._settle(turn)

    def _tell(self, turn: Turn, payload: Payload) -> None:
        """Tell the bot what becomes of the answer that it speaks; of an earlier one only notes are made."""
        match payload:
            case TextDelta():
                self._say(turn, turn.add(payload.message_id, payload.text))
            case MessageCompleted(message=message) if message.role is Role.ASSISTANT and not turn.has(message.id):
                self._say(turn, turn.add(message.id, message.content))
            case RunPaused(state=state) | RunEnded(state=state) if turn is self._turn:
                if state in self._phrases.by_state():
                    self._bot.notice(turn.number, self._phrases.by_state()[state])
                self._bot.ended(turn.number, state)

    def _say(self, turn: Turn, text: str) -> None:
        if text and turn is self._turn:
            self._bot.piece(turn.number, text)

    async def _interrupt(self, turn: Turn) -> None:
        if turn.is_over.is_set():
            return
        try:
            await self._runs.interrupt(self._principal, turn.run.id)
        except ParleyError as error:  # the next message interrupts it, too
            _log.info("voice_not_interrupted", session=self._session.id, turn=turn.number, reason=error.reason)

    async def _note(self, turn: Turn, said: SaidAloud) -> None:
        if turn.is_spoken_to_the_end:
            return
        turn.spoken, turn.is_spoken_to_the_end = said.text, said.is_done
        if said.is_done and turn.is_over.is_set():
            await self._settle(turn)

    async def _finish(self, turn: Turn) -> None:
        """Have what was spoken of a turn stored, once its last message is."""
        try:
            async with asyncio.timeout(self._limits.last_words.total_seconds()):
                await turn.is_over.wait()
        except TimeoutError:
            _log.warning("voice_turn_unfinished", session=self._session.id, turn=turn.number)
        await self._settle(turn)

    async def _settle(self, turn: Turn) -> None:
        heard = turn.heard()
        if turn.is_settled or not heard:
            return
        turn.is_settled = True
        now = self._clock.now()

        async def unit(tx: Transaction) -> None:
            for message_id, characters in heard.items():
                await tx.messages.speak(message_id, Spoken(characters, now))

        try:
            await self._store.write(self._principal.owner, unit)
        except StoreUnavailable:
            turn.is_settled = False  # tried again with the next turn, or at the end
            _log.warning("voice_speech_not_stored", session=self._session.id, turn=turn.number)
