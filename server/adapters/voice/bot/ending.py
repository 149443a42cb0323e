"""How a session ends: whatever says so first."""

import asyncio

from server.adapters.voice.link import Failed, FailedReason, Left, LeftReason

Outcome = Left | Failed


class Ending:
    """The end of a session, to be waited for. What comes after the first word is not heard."""

    def __init__(self) -> None:
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def leave(self, reason: LeftReason) -> None:
        """The work is done."""
        self._settle(Left(reason=reason))

    def fail(self, reason: FailedReason, message: str) -> None:
        """The work cannot be done; `message` is for the operator and tells no secrets."""
        self._settle(Failed(reason=reason, message=message))

    @property
    def is_there(self) -> bool:
        """Whether it has come."""
        return self._outcome.done()

    async def outcome(self) -> Outcome:
        """Wait for it."""
        return await asyncio.shield(self._outcome)

    def _settle(self, outcome: Outcome) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)
