"""The system's clock, with a wall clock that tests put forward."""

from datetime import datetime, timedelta

from server.adapters.system import SystemClock


class SetClock(SystemClock):
    """Shows the time as it would be a while later; what it measures is real."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        """The wall clock."""
        return super().now() + self.ahead
