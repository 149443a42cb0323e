"""Rooms of Daily."""

from typing import Any

from pipecat.transports.base_transport import BaseTransport
from pipecat.transports.daily.transport import DailyParams, DailyTransport

from server.adapters.voice.bot.room import RoomEvents
from server.adapters.voice.link import Start


def open_daily_room(start: Start, events: RoomEvents) -> BaseTransport:
    """The room of `start`, with audio both ways and nothing else."""
    params = DailyParams(audio_in_enabled=True, audio_out_enabled=True, camera_out_enabled=False)
    transport = DailyTransport(start.room_url, start.token, start.bot_name, params)
    _Membership(transport, events)
    return transport


class _Membership:
    """Passes on whether the bot is in the room, and who else is."""

    def __init__(self, transport: Any, events: RoomEvents) -> None:
        self._events = events
        self._is_in = False
        handlers = {
            "on_joined": self._joined,
            "on_error": self._error,
            "on_call_state_updated": self._call_state,
            "on_participant_joined": self._arrived,
            "on_participant_left": self._gone,
        }
        for name, handler in handlers.items():
            transport.add_event_handler(name, handler)

    async def _joined(self, _transport: Any, data: Any) -> None:
        self._is_in = True
        self._events.joined()
        for participant in data.get("participants", {}).keys() - {"local"}:
            self._events.arrived(participant)

    async def _error(self, _transport: Any, _error: str) -> None:
        # Its text names the room. Once joined, an error that matters is followed by the state "left".
        if not self._is_in:
            self._events.not_joined("Daily did not let the bot into the room")

    async def _call_state(self, _transport: Any, state: str) -> None:
        if state == "left" and self._is_in:
            self._events.removed()

    async def _arrived(self, _transport: Any, participant: Any) -> None:
        self._events.arrived(participant["id"])

    async def _gone(self, _transport: Any, participant: Any, _reason: str) -> None:
        self._events.gone(participant["id"])
