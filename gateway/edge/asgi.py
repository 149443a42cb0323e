"""The few ASGI types that the edge uses; the events are plain dicts, as the ASGI specification has them."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
AsgiHandler = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeader = tuple[bytes, bytes]


class ClientGone(Exception):
    """The client closed its connection; nobody waits for a reply."""
