"""Opens what voice works with: Daily's rooms, and bots, or what says that none are configured.

What rooms and bots need is imported where they are configured; others start without it.
"""

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from server.adapters.voice.configuration import VoiceConfig
from server.adapters.voice.figures import PrometheusVoiceFigures
from server.adapters.voice.none import NoBots, NoRooms
from server.domain.voice import VoiceLimits
from server.ports.system import Clock
from server.ports.voice import Bots, NoVoiceFigures, Phrases, Rooms, VoiceFigures


@dataclass(frozen=True, slots=True)
class Calling:
    """What voice sessions are made with; by default nothing is set up."""

    rooms: Rooms = field(default_factory=NoRooms)
    bots: Bots = field(default_factory=NoBots)
    limits: VoiceLimits = field(default_factory=VoiceLimits)
    phrases: Phrases = field(default_factory=Phrases)
    figures: VoiceFigures = field(default_factory=NoVoiceFigures)


@asynccontextmanager
async def opened_calling(
    config: VoiceConfig | None, *, clock: Clock, registry: CollectorRegistry
) -> AsyncGenerator[Calling, None]:
    """What the configuration says. Nothing is asked or started before somebody calls."""
    if config is None:
        yield Calling()
        return
    from server.adapters.voice.bots import ProcessBots
    from server.adapters.voice.daily import DailyRooms

    rooms = DailyRooms(config.daily, clock=clock, random=random.random)
    async with aclosing(rooms):
        yield Calling(rooms, ProcessBots(config), config.limits, config.phrases, PrometheusVoiceFigures(registry))
