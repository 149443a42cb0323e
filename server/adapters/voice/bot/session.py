"""A session of the bot, from joining the room to leaving it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

from server.adapters.voice.bot.ending import Ending, Outcome
from server.adapters.voice.bot.mouth import Mouth
from server.adapters.voice.bot.pipeline import Speech, speech_of, worker_of
from server.adapters.voice.bot.pipes import Pipes
from server.adapters.voice.bot.presence import Patience, Presence
from server.adapters.voice.bot.reports import Reports
from server.adapters.voice.bot.room import OpenRoom
from server.adapters.voice.bot.speech_failure import SpeechFailure
from server.adapters.voice.bot.turns import Turns
from server.adapters.voice.link import Ended, Joined, LinkError, Notice, Piece, Start, ToBot

_PATIENT: Final = Patience()
_AGAIN_SECONDS: Final = 0.5


async def hold_session(
    start: Start,
    link: Pipes,
    open_room: OpenRoom,
    *,
    at_end: Callable[[Outcome], None],
    make_speech: Callable[[Start], Speech] = speech_of,
    patience: Patience = _PATIENT,
) -> None:
    """Join the room, talk until there is a reason to end, leave.

    `at_end` is told the reason as soon as everything else has been said on the link, before the room is left: the
    room's library may take its time for that.
    """
    ending = Ending()
    reports = Reports(link.send)
    turns = Turns(reports.tell)
    mouth = Mouth(turns, language=start.language or "en")
    presence = Presence(ending, on_joined=lambda: link.send(Joined()), patience=patience)
    expiry = asyncio.get_running_loop().call_later(start.expires_at - time.time(), lambda: ending.leave("EXPIRED"))
    try:
        worker = worker_of(open_room(start, presence), make_speech(start), turns, mouth)
        async with _running(worker, ending), _obeying(link, mouth, ending):
            outcome = await ending.outcome()
            turns.close()
            reports.close()
            at_end(outcome)
    finally:
        expiry.cancel()
        presence.close()
        reports.close()


@asynccontextmanager
async def _running(worker: PipelineWorker, ending: Ending) -> AsyncGenerator[None, None]:
    """Run the pipeline; leave the room on leaving."""

    async def note_error(_worker: Any, frame: Any) -> None:
        # Others are no reason to end: whoever can work no more ends the pipeline, and rooms tell by themselves.
        if isinstance(frame.exception, SpeechFailure):
            ending.fail("SPEECH_FAILED", str(frame.exception))

    worker.add_event_handler("on_pipeline_error", note_error)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(_run(runner, ending))
        yield
        # Again and again, for a runner that is just beginning forgets that it was cancelled.
        while not running.done():
            await runner.cancel()
            await asyncio.wait((running,), timeout=_AGAIN_SECONDS)


@asynccontextmanager
async def _obeying(link: Pipes, mouth: Mouth, ending: Ending) -> AsyncGenerator[None, None]:
    """Do what the link says."""
    async with asyncio.TaskGroup() as tasks:
        obeying = tasks.create_task(_obey(link, mouth, ending))
        yield
        obeying.cancel()


async def _run(runner: WorkerRunner, ending: Ending) -> None:
    await runner.run()
    ending.fail("SPEECH_FAILED", "the audio pipeline has ended")


async def _obey(link: Pipes, mouth: Mouth, ending: Ending) -> None:
    try:
        while (message := await link.receive()) is not None and await _done(message, mouth):
            pass
    except LinkError:
        ending.fail("BAD_START", "a line of the link is no message")
    # The server is gone, or wants the bot to go.
    ending.leave("LEAVE")


async def _done(message: ToBot, mouth: Mouth) -> bool:
    """Do what the message says. `False`: there is nothing more to do."""
    match message:
        case Piece():
            await mouth.say(message)
        case Ended():
            await mouth.end(message)
        case Notice():
            await mouth.notify(message)
        case Start():
            raise LinkError("a session begins once")
        case _:
            return False
    return True
