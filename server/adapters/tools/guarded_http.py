"""HTTP to a tool server, guarded: checked addresses only, bounded replies, and failures that say whether the request
left.

The SDK lets an error of the transport end the whole connection with every call on it. Here a request that fails is
answered in the server's place with a JSON-RPC error, so that it alone fails.
"""

import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import httpx2
import orjson

from server.adapters.egress.addresses import AddressRefused, Resolve
from server.adapters.egress.checked_http import CheckedTransport

NOT_SENT: Final = -32090
LOST: Final = -32091
OWN_MARK: Final = secrets.token_hex(16)
"""Stands in the `data` of this module's own errors: a server may use their codes, but cannot know the mark."""

_NOTIFYING_SECONDS: Final = 2.0
"""How long the answer to what needs none may take: the SDK sends nothing else until it came."""


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Connects to checked addresses only, bounds replies and answers for a server that cannot be reached."""

    def __init__(
        self, *, allow_private: bool, most_bytes: int, connections: int, read_seconds: float, resolver: Resolve
    ) -> None:
        limits = httpx2.Limits(max_connections=connections, keepalive_expiry=5)
        inner = httpx2.AsyncHTTPTransport(trust_env=False, limits=limits)
        self._checked = CheckedTransport(inner, allow_private=allow_private, resolver=resolver)
        self._most_bytes = most_bytes
        self._read_seconds = read_seconds
        self.refusal: AddressRefused | None = None
        """Why the last request was not sent, if an address was the reason."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See `httpx2.AsyncBaseTransport`; a POST never raises what the network did."""
        self._set_patience(request)
        try:
            return self._bounded(await self._checked.handle_async_request(request))
        except (OSError, AddressRefused, httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            self.refusal = error if isinstance(error, AddressRefused) else None
            code = NOT_SENT
        except httpx2.TransportError:
            code = LOST
        if request.method == "POST":
            return _failure(code)
        raise httpx2.ConnectError("the tool server cannot be reached")

    async def aclose(self) -> None:
        """Close every connection."""
        await self._checked.aclose()

    def _bounded(self, response: httpx2.Response) -> httpx2.Response:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise httpx2.RemoteProtocolError("a compressed reply, which was not asked for")
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        stream = response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)  # noqa: S101 - an asynchronous transport gives no other
        response.stream = _BoundedStream(stream, most_bytes=None if is_stream else self._most_bytes)
        return response

    def _set_patience(self, request: httpx2.Request) -> None:
        timeouts: dict[str, Any] = dict(request.extensions.get("timeout", {}))
        if request.method == "POST":
            timeouts["read"] = self._read_seconds if _asks(request) else _NOTIFYING_SECONDS
        elif request.method == "DELETE":
            timeouts["read"] = _NOTIFYING_SECONDS
        request.extensions = {**request.extensions, "timeout": timeouts}


class _BoundedStream(httpx2.AsyncByteStream):
    """A reply's body; what goes wrong in it is a `StreamError`, which costs the SDK this reply only."""

    def __init__(self, stream: httpx2.AsyncByteStream, *, most_bytes: int | None) -> None:
        self._stream = stream
        self._most_bytes = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for chunk in self._stream:
                size += len(chunk)
                if self._most_bytes is not None and size > self._most_bytes:
                    raise httpx2.StreamError("the reply is too long")
                yield chunk
        except httpx2.TransportError:
            raise httpx2.StreamError("the reply was cut off") from None

    async def aclose(self) -> None:
        await self._stream.aclose()


def _asks(request: httpx2.Request) -> bool:
    """Whether a POST bears a request, which has an answer, and not a notification or an answer of ours."""
    message: Mapping[str, Any] = orjson.loads(request.content)
    return "id" in message and "method" in message


def _failure(code: int) -> httpx2.Response:
    error = {"code": code, "message": "the tool server cannot be reached", "data": OWN_MARK}
    content = orjson.dumps({"jsonrpc": "2.0", "id": None, "error": error})
    return httpx2.Response(502, headers={"content-type": "application/json"}, content=content)
