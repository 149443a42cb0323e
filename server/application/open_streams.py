"""Counts the streams that callers have open in this process."""

from collections.abc import Callable

from server.domain.limit_errors import TooManyStreams
from server.domain.principal import Principal


class OpenStreams:
    """Places for streams, by key or person."""

    def __init__(self, limit: int) -> None:
        """`limit` for each; 0: as many as anybody likes."""
        self._limit = limit
        self._open: dict[tuple[str, str], int] = {}

    def take(self, principal: Principal) -> Callable[[], None]:
        """Take a place; what is returned gives it back, once, however often it is called. Raises `TooManyStreams`."""
        caller = (principal.owner.tenant, principal.caller)
        taken = self._open.get(caller, 0)
        if self._limit and taken >= self._limit:
            raise TooManyStreams(limit=self._limit)
        self._open[caller] = taken + 1
        is_open = True

        def leave() -> None:
            nonlocal is_open
            if is_open:
                is_open = False
                self._leave(caller)

        return leave

    def __len__(self) -> int:
        """How many are open."""
        return sum(self._open.values())

    def _leave(self, caller: tuple[str, str]) -> None:
        left = self._open[caller] - 1
        if left:
            self._open[caller] = left
        else:
            del self._open[caller]
