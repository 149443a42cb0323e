"""A session of the bot on stage: the test is the server at the link, the user in the room and the speech services."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from server.adapters.voice.bot.ending import Outcome
from server.adapters.voice.bot.pipeline import Speech
from server.adapters.voice.bot.pipes import open_pipes
from server.adapters.voice.bot.presence import Patience
from server.adapters.voice.bot.room import RoomEvents
from server.adapters.voice.bot.session import hold_session
from server.adapters.voice.bot.speech_services import Speaker, Transcriber
from server.adapters.voice.link import Heard, Joined, Start
from tests.support.upstream import ScriptedUpstream
from tests.voice_bot.loopback import LOUD, QUIET, LoopbackRoom, LoudnessVad
from tests.voice_bot.server_end import SECONDS, ServerEnd
from tests.voice_bot.speech import SpeechServices, start_at, transcript


class Stage:
    """Everything around a session that runs."""

    def __init__(self, server: ServerEnd, services: SpeechServices) -> None:
        self.server = server
        self.services = services
        self.rooms: list[LoopbackRoom] = []
        self.has_opened = asyncio.Event()
        self.outcomes: list[Outcome] = []
        self.session: asyncio.Task[None] | None = None

    @property
    def room(self) -> LoopbackRoom:
        return self.rooms[0]

    async def user_says(self, text: str) -> Heard:
        """The user says something; what the server hears of it."""
        self.services.hears.append(transcript(text))
        await self.room.speak(LOUD + QUIET)
        return await self.server.until(Heard)

    async def opened(self) -> None:
        """Wait until the bot stands at the door."""
        async with asyncio.timeout(SECONDS):
            await self.has_opened.wait()

    async def outcome(self) -> Outcome:
        """How the session ended, once it has."""
        assert self.session is not None
        async with asyncio.timeout(SECONDS):
            await asyncio.shield(self.session)
        assert len(self.outcomes) == 1
        return self.outcomes[0]


@asynccontextmanager
async def stage(
    *,
    seconds: float = 600,
    lets_in: bool = True,
    is_empty: bool = False,
    patience: Patience | None = None,
    language: str | None = None,
) -> AsyncGenerator[Stage, None]:
    """A session that has joined its room, unless that lets nobody in."""
    loop = asyncio.get_running_loop()
    to_bot, from_server = os.pipe()
    to_server, from_bot = os.pipe()
    async with ScriptedUpstream() as upstream, open_pipes(to_bot, from_bot) as link:
        reader = asyncio.StreamReader(limit=1 << 21)
        incoming, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(to_server, "rb", buffering=0)
        )
        writer, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(from_server, "wb", buffering=0))
        made = Stage(ServerEnd(reader, writer), SpeechServices(upstream))

        def open_room(_start: Start, events: RoomEvents) -> LoopbackRoom:
            made.rooms.append(LoopbackRoom(events, lets_in=lets_in, is_empty=is_empty))
            made.has_opened.set()
            return made.room

        start = start_at(upstream.base_url, seconds=seconds, language=language)
        more = {} if patience is None else {"patience": patience}
        holding = hold_session(start, link, open_room, at_end=made.outcomes.append, make_speech=_speech, **more)
        made.session = asyncio.create_task(holding)
        try:
            if lets_in:
                assert await made.server.next() == Joined()
            yield made
            made.server.hang_up()
            await made.outcome()
        finally:
            made.session.cancel()
            await asyncio.gather(made.session, return_exceptions=True)
            incoming.close()
            writer.close()


def _speech(start: Start) -> Speech:
    """The real services; who speaks when is decided by loudness, and a turn ends with its transcript."""
    return Speech(
        voice_activity=LoudnessVad(),
        turn_strategies=UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0)]),
        transcriber=Transcriber(start.speech_to_text, language=start.language),
        speaker=Speaker(start.text_to_speech),
    )
