"""How requests to webhooks are made."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from server.domain.webhook_retry import Attempt


class WebhookLine(Protocol):
    """Connections to one URL and no other."""

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Attempt:
        """Send a request and wait for its answer, in bounded time; never raises what the network does."""
        ...


class WebhookSender(Protocol):
    """Makes requests to URLs that tenants have named."""

    def line(self, url: str) -> AbstractAsyncContextManager[WebhookLine]:
        """Connections to that URL; closed on leaving."""
        ...
