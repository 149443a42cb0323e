"""A house whose threads can be called: rooms of a stand-in Daily, bots that are processes and do what a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from server.adapters.system import SystemClock
from server.adapters.voice.bots import ProcessBots
from server.adapters.voice.configuration import DailyConfig, SpeechConfig, VoiceConfig
from server.adapters.voice.daily import DailyRooms
from server.application.voice import Admission
from server.bootstrap.voice import Calling
from server.domain.message import Message
from server.domain.principal import Owner, Principal
from server.domain.voice import End, VoiceLimits
from tests.support.canaries.marks import canary
from tests.support.house import House, open_house
from tests.support.scripted_provider import ScriptedProvider
from tests.support.voice.daily import KEY, StandInDaily
from tests.support.voice.puppets import Puppet, Puppets

_POLL: Final = 0.005
ANNA = Principal(Owner("acme", "anna"), frozenset({"*"}), None, is_person=True)
"""Anna in person: no key of hers is looked for."""
LIMITS = VoiceLimits(heartbeat=timedelta(milliseconds=200), joining=timedelta(seconds=60))
CONFIG = VoiceConfig(
    DailyConfig("", KEY),
    SpeechConfig("https://speech.example/v1", canary("speech-to-text"), "listener"),
    SpeechConfig("https://speech.example/v1", canary("text-to-speech"), "speaker", "alloy"),
    language="en",
)


class CountedFigures:
    """What operators would see."""

    def __init__(self) -> None:
        self.live = 0
        self.failures: list[str] = []
        self.ends: list[End] = []

    def opened(self) -> None:
        """One more."""
        self.live += 1

    def failed(self, reason: str) -> None:
        """One that never was."""
        self.failures.append(reason)

    def ended(self, why: End) -> None:
        """One less."""
        self.live -= 1
        self.ends.append(why)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A house with its telephone."""

    house: House
    daily: StandInDaily
    puppets: Puppets
    provider: ScriptedProvider
    figures: CountedFigures

    async def call(self, key: str = "talk", by: Principal = ANNA) -> tuple[Admission, Puppet]:
        """A session whose bot has joined."""
        creating = asyncio.create_task(self.house.voice.create(by, key))
        puppet, _ = await self.puppets.joined()
        return await creating, puppet

    async def messages(self, key: str = "talk") -> list[Message]:
        """The history."""
        return (await self.house.threads.state(ANNA.owner, key)).messages

    async def said(self, key: str = "talk") -> list[tuple[str, str, str | None]]:
        """The history as (role, content, what was spoken of it)."""
        return [(each.role.value, each.content, each.spoken_content) for each in await self.messages(key)]

    async def said_at_least(self, count: int) -> None:
        """Wait until the history has so many messages."""
        while len(await self.messages()) < count:  # noqa: ASYNC110 - as below
            await asyncio.sleep(_POLL)

    async def spoken(self, place: int) -> None:
        """Wait until it is stored what was spoken of a message."""
        while (await self.messages())[place].spoken is None:  # noqa: ASYNC110 - nothing tells that it is stored
            await asyncio.sleep(_POLL)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so that tells nobody; the test's own time limit bounds it."""
    while not is_so():  # noqa: ASYNC110
        await asyncio.sleep(_POLL)


@asynccontextmanager
async def open_exchange(
    folder: Path,
    provider: ScriptedProvider,
    *,
    limits: VoiceLimits = LIMITS,
    daily: StandInDaily | None = None,
    **more: Any,
) -> AsyncIterator[Exchange]:
    """An exchange over the database in `folder`, whose bots are puppets; `daily` is one of its own unless another
    is given; `more` is for the house."""
    figures = CountedFigures()
    async with nullcontext(daily) if daily else StandInDaily() as stand_in, Puppets() as puppets:
        config = replace(CONFIG, limits=limits)
        rooms = DailyRooms(DailyConfig(stand_in.url, KEY), clock=SystemClock(), random=lambda: 0.0)
        bots = ProcessBots(config, command=puppets.command, installed=lambda: True)
        calling = Calling(rooms, bots, limits, config.phrases, figures)
        async with aclosing(rooms), open_house(folder, provider, calling=calling, **more) as house:
            yield Exchange(house, stand_in, puppets, provider, figures)
