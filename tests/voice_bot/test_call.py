"""A whole call: the server and the real bot as its child, from what is said in the room to what is stored."""

import asyncio
import sys
from pathlib import Path

import pytest

from server.domain.voice import End
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream import ScriptedUpstream
from tests.support.voice.exchange import ANNA, open_exchange, until
from tests.voice_bot.speech import SENTENCE, SpeechServices, transcript
from tests.voice_bot.voice import silent, voiced

pytestmark = pytest.mark.timeout(180)

_BOT = (sys.executable, "-m", "tests.voice_bot.entry")


async def test_a_call_from_its_first_word_to_its_end(tmp_path: Path) -> None:
    entered: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    room = await asyncio.start_server(lambda *ends: entered.put_nowait(ends), "127.0.0.1", 0)
    provider = ScriptedProvider()
    provider.script("I am a ", "machine.")
    async with room, ScriptedUpstream() as upstream:
        services = SpeechServices(upstream)
        services.hears.append(transcript("Who are you?"))
        opened = open_exchange(tmp_path, provider, command=_BOT, speech_url=upstream.base_url)
        async with opened as exchange:
            exchange.daily.rooms_at = f"https://127.0.0.1:{room.sockets[0].getsockname()[1]}"
            await exchange.house.threads.create(ANNA, name="Talk", key="talk")
            admission = await exchange.house.voice.create(ANNA, "talk")
            loudspeaker, microphone = await entered.get()
            microphone.write(silent(0.3) + voiced("aeiouaeo") + silent(5))
            assert await loudspeaker.readexactly(len(SENTENCE)) == SENTENCE
            await exchange.said_at_least(2)
            await exchange.spoken(1)
            assert await exchange.said() == [
                ("user", "Who are you?", None),
                ("assistant", "I am a machine.", "I am a machine."),
            ]
            await exchange.house.voice.end(ANNA, "talk")
            await until(lambda: exchange.figures.ends == [End.HUNG_UP])
            assert exchange.daily.deleted == [admission.session.room_name]
            microphone.close()
