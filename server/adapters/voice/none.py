"""What stands for rooms and bots where the operator has set up none: each of their methods says so."""

from contextlib import AbstractAsyncContextManager

from server.domain.voice_errors import VoiceUnavailable
from server.ports.voice import Bot


def _missing() -> VoiceUnavailable:
    return VoiceUnavailable("the configuration file has no [voice]; docs/voice.md says what belongs there")


class NoRooms:
    """See `ports.voice.Rooms`."""

    async def open(self, *_: object, **__: object) -> str:
        """There is none."""
        raise _missing()

    async def admit(self, *_: object, **__: object) -> str:
        """There is none."""
        raise _missing()

    async def close(self, *_: object) -> None:
        """There is none."""
        raise _missing()


class NoBots:
    """See `ports.voice.Bots`."""

    def require(self) -> None:
        """There is none."""
        raise _missing()

    def joined(self, *_: object) -> AbstractAsyncContextManager[Bot]:
        """There is none."""
        raise _missing()
