"""The bot as a process of its own: a voice is found in the audio, understood, answered and heard."""

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from server.adapters.voice.link import Failed, Heard, Joined, Left, decode_to_server, encode
from tests.support.upstream import ScriptedUpstream
from tests.voice_bot.server_end import ServerEnd
from tests.voice_bot.speech import SENTENCE, SpeechServices, start_at, transcript
from tests.voice_bot.voice import silent, voiced

pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True, slots=True)
class Running:
    """A bot that is in its room."""

    process: Process
    server: ServerEnd
    services: SpeechServices
    microphone: asyncio.StreamWriter
    loudspeaker: asyncio.StreamReader


@asynccontextmanager
async def running() -> AsyncGenerator[Running, None]:
    entered: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    room = await asyncio.start_server(lambda *ends: entered.put_nowait(ends), "127.0.0.1", 0)
    async with room, ScriptedUpstream() as upstream:
        services = SpeechServices(upstream)
        environment = {**os.environ, "OPENAI_API_KEY": "not-for-the-bot", "OPENAI_ORG_ID": "nor-this"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.voice_bot.entry", stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            server = ServerEnd(process.stdout, process.stdin.transport)
            port = room.sockets[0].getsockname()[1]
            start = replace(start_at(upstream.base_url), room_url=f"https://127.0.0.1:{port}/one")
            process.stdin.write(encode(start))
            async with asyncio.timeout(50):
                loudspeaker, microphone = await entered.get()
            assert await server.next() == Joined()
            yield Running(process, server, services, microphone, loudspeaker)
            microphone.close()
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


async def test_a_voice_is_heard_and_answered_until_the_process_is_asked_to_end() -> None:
    async with running() as bot:
        bot.services.hears.append(transcript("Who are you?"))
        bot.microphone.write(silent(0.3) + voiced("aeiouaeo") + silent(5))
        assert await bot.server.until(Heard) == Heard(turn=1, text="Who are you?")
        bot.server.answer(1, "I am a ", "machine.")
        assert await bot.server.done(1) == "I am a machine."
        assert await bot.loudspeaker.readexactly(len(SENTENCE)) == SENTENCE
        bot.process.send_signal(signal.SIGTERM)
        assert await bot.server.next() == Left(reason="LEAVE")
        assert await bot.server.next() is None
        assert await bot.process.wait() == 0
        assert bot.process.stderr is not None
        log = (await bot.process.stderr.read()).decode()
        assert "a line that a library prints" in log
        for secret in ("hearing-key", "speaking-key", "token-of-the-bot", "Who are you", "machine"):
            assert secret not in log
        headers = [each.headers for each in bot.services.upstream.requests]
        assert [each for each in headers if "nor-this" in each.values()] == []


async def test_a_bot_whose_server_is_gone_ends() -> None:
    async with running() as bot:
        bot.server.hang_up()
        assert await bot.process.wait() == 0


def test_a_bot_that_breaks_down_says_so_and_tells_no_content() -> None:
    program = (
        "import sys\n"
        "from server.adapters.voice.bot.__main__ import main\n"
        "def broken(*_): raise ValueError('what the user said')\n"
        "sys.exit(main(broken))"
    )
    line = encode(start_at("http://127.0.0.1:9/v1"))
    done = subprocess.run([sys.executable, "-c", program], input=line, capture_output=True, timeout=100, check=False)
    assert [decode_to_server(each) for each in done.stdout.splitlines()] == [
        Failed(reason="SPEECH_FAILED", message="the bot broke down: ValueError")
    ]
    assert done.returncode == 1
    assert b'"kind": "ValueError"' in done.stderr
    assert b"what the user said" not in done.stderr
