"""The initial metadata of a reply: its request id, and where the caller stands with its limits."""

from typing import Any, Final

from server.domain.rates import Standing
from server.rpc.interceptors.metadata import REQUEST_ID

LIMIT: Final = "x-ratelimit-limit"
REMAINING: Final = "x-ratelimit-remaining"
RESET: Final = "x-ratelimit-reset"


class Greeting:
    """What a call is told first, once."""

    __slots__ = ("is_sent", "request_id", "standing")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.standing: Standing | None = None
        """`None` where nobody is counted, or not yet."""
        self.is_sent = False

    async def send(self, context: Any, *more: tuple[str, str]) -> None:
        """Send it, with what a raw stream says of its content; nothing when it is sent already."""
        if self.is_sent:
            return
        self.is_sent = True
        pairs: tuple[tuple[str, str], ...] = ((REQUEST_ID, self.request_id), *more)
        standing = self.standing
        if standing is not None:
            pairs = (
                *pairs,
                (LIMIT, str(standing.limit)),
                (REMAINING, str(standing.remaining)),
                (RESET, str(standing.reset)),
            )
        await context.send_initial_metadata(pairs)
