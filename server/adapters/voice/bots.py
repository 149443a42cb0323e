"""Bots that are processes: each is started for one session, told what it needs over its standard input, and gone with
everything it started when the session ends. See `link` for what is said."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import Final

import structlog

from server.adapters.tools.child import Child, running_child
from server.adapters.tools.server_config import StdioEndpoint
from server.adapters.voice import link
from server.adapters.voice.configuration import VoiceConfig
from server.domain.run import RunState
from server.domain.voice import End
from server.domain.voice_errors import VoiceServiceRefused, VoiceServiceUnavailable, VoiceUnavailable
from server.ports.voice import BargedIn, Bot, BotEvent, BotGone, Heard, Invitation, SaidAloud

_log = structlog.get_logger(__name__)

BOT_NAME: Final = "Parley"
COMMAND: Final = (sys.executable, "-m", "server.adapters.voice.bot")
_NOT_INSTALLED: Final = "the bot is not installed; run pip install 'parley[voice]' where the server runs"
_LEAVING_SECONDS: Final = 5.0
_PIECE_CHARACTERS: Final = 64 * 1024
"""Of which each takes at most twelve bytes of a line, however it is written."""
_DETAIL_CHARACTERS: Final = 200
_PASSED_ON: Final = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"})
"""Of the environment, what decides how others are reached; proxies are more often named in lower case."""
_ENDS: Final = {"EMPTY": End.EMPTY, "EXPIRED": End.EXPIRED, "LEAVE": End.STOPPED}


def is_installed() -> bool:
    """Whether what the bot is made of is there. It is looked for, not imported: that takes seconds."""
    return find_spec("pipecat") is not None


class ProcessBots:
    """See `ports.voice.Bots`."""

    def __init__(
        self,
        config: VoiceConfig,
        *,
        command: Sequence[str] = COMMAND,
        installed: Callable[[], bool] = is_installed,
        leaving_seconds: float = _LEAVING_SECONDS,
    ) -> None:
        """`command` is run as it is: no shell sees it. A bot that is told to leave is ended after `leaving_seconds`."""
        self._config = config
        self._command = tuple(command)
        self._installed = installed
        self._leaving_seconds = leaving_seconds

    def require(self) -> None:
        """Raise `VoiceUnavailable` when the extra is not installed."""
        if not self._installed():
            raise VoiceUnavailable(_NOT_INSTALLED)

    @asynccontextmanager
    async def joined(self, invitation: Invitation) -> AsyncGenerator[Bot, None]:
        """A bot in the room."""
        passed_on = {name: value for name, value in os.environ.items() if name.upper() in _PASSED_ON}
        endpoint = StdioEndpoint(self._command, passed_on)
        async with AsyncExitStack() as stack:
            running = running_child(endpoint, server="voice bot", most_line_bytes=link.MOST_BYTES)
            try:
                child = await stack.enter_async_context(running)
            except OSError as error:
                _log.warning("voice_bot_not_started", cause=error.strerror)
                raise VoiceServiceUnavailable("the bot could not be started") from None
            bot = ProcessBot(child)
            await self._have_it_join(bot, invitation)
            try:
                yield bot
            finally:
                # Shielded from one more cancellation: a bot that does not leave is heard until its room's end.
                await asyncio.shield(bot.leave(self._leaving_seconds))

    async def _have_it_join(self, bot: "ProcessBot", invitation: Invitation) -> None:
        bot.tell(self._start(invitation))
        seconds = self._config.limits.joining.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                answer = await bot.receive()
        except TimeoutError:
            raise VoiceServiceUnavailable(f"the bot did not join within {seconds:.0f} seconds") from None
        match answer:
            case link.Joined():
                return
            case link.Failed(reason="NOT_INSTALLED"):
                raise VoiceUnavailable(_NOT_INSTALLED)
            case link.Failed(reason="BAD_START", message=message):
                _log.error("voice_bot_refused_its_start", detail=message[:_DETAIL_CHARACTERS])
                raise VoiceServiceRefused("the bot does not take its configuration")
            case link.Failed(reason=reason, message=message):
                _log.warning("voice_bot_failed", reason=reason, detail=message[:_DETAIL_CHARACTERS])
                raise VoiceServiceUnavailable(f"the bot could not join ({reason})")
        raise VoiceServiceUnavailable("the bot ended before it joined")

    def _start(self, invitation: Invitation) -> link.Start:
        hears, speaks = self._config.speech_to_text, self._config.text_to_speech
        return link.Start(
            room_url=invitation.room_url,
            token=invitation.token,
            bot_name=BOT_NAME,
            expires_at=int(invitation.expires_at.timestamp()),
            speech_to_text=link.SpeechToText(base_url=hears.base_url, api_key=hears.api_key, model=hears.model),
            text_to_speech=link.TextToSpeech(
                base_url=speaks.base_url, api_key=speaks.api_key, model=speaks.model, voice=speaks.voice
            ),
            language=self._config.language,
        )


class ProcessBot:
    """See `ports.voice.Bot`."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._gone: BotGone | None = None

    async def next(self) -> BotEvent:
        """What it says next."""
        if self._gone is None:
            event = _event(await self.receive())
            self._gone = event if isinstance(event, BotGone) else None
            return event
        return self._gone

    def piece(self, turn: int, text: str) -> None:
        """Have it speak, in pieces that fit into a line."""
        speakable = text.encode(errors="replace").decode()
        for begin in range(0, len(speakable), _PIECE_CHARACTERS):
            self.tell(link.Piece(turn=turn, text=speakable[begin : begin + _PIECE_CHARACTERS]))

    def ended(self, turn: int, state: RunState) -> None:
        """Tell it that nothing more comes, or not now."""
        self.tell(link.Ended(turn=turn, status=state.value))

    def notice(self, turn: int, text: str) -> None:
        """Have it speak something else."""
        self.tell(link.Notice(turn=turn, text=text))

    async def leave(self, seconds: float) -> None:
        """Have it leave the room, if it still can."""
        if not self.tell(link.Leave()):
            return
        try:
            async with asyncio.timeout(seconds):
                while await self._child.line() is not None:
                    pass
        except TimeoutError:
            _log.warning("voice_bot_does_not_leave")

    def tell(self, message: link.ToBot) -> bool:
        """Hand it a message. `False` when it takes no more, which `receive` will tell, too."""
        return self._child.write(link.encode(message))

    async def receive(self) -> "link.ToServer | link.LinkError | None":
        """Its next message, or that it said what is none; `None` when nothing more will come."""
        line = await self._child.line()
        if line is None:
            return None
        try:
            return link.decode_to_server(line)
        except link.LinkError as error:
            return error


def _event(message: "link.ToServer | link.LinkError | None") -> BotEvent:
    match message:
        case link.Heard(turn=turn, text=text):
            return Heard(turn, text)
        case link.BargeIn(turn=turn):
            return BargedIn(turn)
        case link.Spoken(turn=turn, text=text, done=done):
            return SaidAloud(turn, text, done)
    return _gone(message)


def _gone(message: link.Joined | link.Left | link.Failed | link.LinkError | None) -> BotGone:
    match message:
        case link.Left(reason=reason):
            return BotGone(_ENDS.get(reason, End.BOT_LEFT), reason)
        case link.Failed(reason=reason, message=text):
            return BotGone(End.BOT_FAILED, f"{reason}: {text[:_DETAIL_CHARACTERS]}")
        case link.LinkError():
            return BotGone(End.BOT_BROKE_RULES, str(message))
        case link.Joined():
            return BotGone(End.BOT_BROKE_RULES, "it joined twice")
    return BotGone(End.BOT_DIED)
