"""The server's half and the bot's half of a voice session, each as it is, in one call: only rooms, model and speech
services are stand-ins."""

import asyncio
import sys
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.system import SystemClock
from server.adapters.voice.bots import ProcessBots
from server.adapters.voice.configuration import DailyConfig, SpeechConfig, VoiceConfig
from server.adapters.voice.daily import DailyRooms
from server.bootstrap.voice import Calling
from server.domain.message import Message, MessageStatus
from server.domain.voice import VoiceLimits
from server.ports.voice import Phrases
from tests.support.house import House, open_house
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream.gate import Gate
from tests.support.voice.daily import KEY, StandInDaily
from tests.support.voice.exchange import ANNA, CountedFigures
from tests.voice_bot.speech import SENTENCE, SpeechServices, transcript
from tests.voice_bot.voice import silent, voiced

LIMITS = VoiceLimits(joining=timedelta(seconds=45))
VOICE = silent(0.3) + voiced("aeiouaeo") + silent(5)


async def all_spoken(house: House) -> list[Message]:
    """The history, once it has two answers and it is stored what was heard of them."""
    while True:
        messages = (await house.threads.state(ANNA.owner, "talk")).messages
        if [each.spoken is not None for each in messages] == [False, True, False, True]:
            return messages
        await asyncio.sleep(0.01)


@pytest.mark.timeout(240)
async def test_a_call_is_a_conversation(tmp_path: Path) -> None:
    provider, gate = ScriptedProvider(), Gate()
    provider.script("I am a machine. Listen", gate, ", nobody hears this.")
    provider.script("As you like.")
    entered: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    room = await asyncio.start_server(lambda *ends: entered.put_nowait(ends), "127.0.0.1", 0)
    command = (sys.executable, "-m", "tests.voice_bot.entry", str(room.sockets[0].getsockname()[1]))
    async with room, ScriptedUpstream() as upstream, StandInDaily() as daily:
        hears = SpeechConfig(upstream.base_url, "hearing-key", "listener")
        says = SpeechConfig(upstream.base_url, "speaking-key", "speaker", "marvin")
        bots = ProcessBots(VoiceConfig(DailyConfig(daily.url, KEY), hears, says, "en", LIMITS), command=command)
        rooms = DailyRooms(DailyConfig(daily.url, KEY), clock=SystemClock(), random=lambda: 0.0)
        calling = Calling(rooms, bots, LIMITS, Phrases(), CountedFigures())
        async with aclosing(rooms), open_house(tmp_path, provider, calling=calling) as house:
            await house.threads.create(ANNA, name="Talk", key="talk")
            await house.voice.create(ANNA, "talk")
            loudspeaker, microphone = await entered.get()
            SpeechServices(upstream).hears.extend([transcript("Who are you?"), transcript("Stop.")])

            microphone.write(VOICE)
            # Whole chunks of 40 ms: the end of a sentence waits for what follows.
            assert SENTENCE.startswith(await loudspeaker.readexactly(2 * 1920))
            microphone.write(VOICE)
            async with asyncio.timeout(120):
                messages = await all_spoken(house)

            assert [each.content for each in messages[::2]] == ["Who are you?", "Stop."]
            assert messages[1].content.startswith("I am a machine. Listen")
            assert (messages[1].status, messages[1].spoken_content) == (MessageStatus.INTERRUPTED, "I am a machine.")
            assert (messages[3].content, messages[3].spoken_content) == ("As you like.", "As you like.")
            assert [each.content for each in provider.requests[1].messages] == [
                "Who are you?",
                "I am a machine.",
                "Stop.",
            ]
            microphone.close()
