"""Requests to webhooks over HTTP: to checked addresses, in bounded time, with nothing kept of what answers but its
status."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx2

from server.adapters.egress.addresses import AddressRefused, Resolve, resolve
from server.adapters.egress.checked_http import CheckedTransport
from server.adapters.provider.retry_after import parse_retry_after
from server.domain.webhook import DeliveryError, WebhookPolicy
from server.domain.webhook_retry import Attempt
from server.domain.webhook_url import objection

_HEADERS: Final = {"content-type": "application/json", "user-agent": "Parley-Webhooks", "accept-encoding": "identity"}
# An answer is read to its end so that its connection can be used again; not one that is longer.
_ANSWER_BYTES: Final = 16 * 1024
_KEEP_ALIVE_SECONDS: Final = 5


class HttpWebhookSender:
    """See `ports.webhook_sender.WebhookSender`."""

    def __init__(
        self, policy: WebhookPolicy, *, tls: ssl.SSLContext | None = None, resolver: Resolve = resolve
    ) -> None:
        """`tls` says whom to trust; by default those whom the machine's other requests do."""
        self._policy = policy
        # Made once: to read the authorities takes longer than a request.
        self._tls = tls or httpx2.create_ssl_context(trust_env=False)
        self._resolver = resolver

    @asynccontextmanager
    async def line(self, url: str) -> AsyncGenerator["HttpWebhookLine", None]:
        """Connections to that URL."""
        limits = httpx2.Limits(max_connections=self._policy.window, keepalive_expiry=_KEEP_ALIVE_SECONDS)
        inner = httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=limits)
        transport = CheckedTransport(inner, allow_private=self._policy.allow_private, resolver=self._resolver)
        try:
            yield HttpWebhookLine(transport, url, self._policy)
        finally:
            await _close(transport)


class HttpWebhookLine:
    """See `ports.webhook_sender.WebhookLine`."""

    def __init__(self, transport: CheckedTransport, url: str, policy: WebhookPolicy) -> None:
        self._transport = transport
        self._url = url
        self._policy = policy

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Attempt:
        """Send a request and wait for its answer; redirects are answers."""
        if objection(self._url, allow_http=self._policy.allow_http) is not None:
            return Attempt(error=DeliveryError.REFUSED_URL)
        try:
            async with asyncio.timeout(self._policy.timeout.total_seconds()):
                return await self._posted(body, headers)
        except AddressRefused:
            return Attempt(error=DeliveryError.REFUSED_ADDRESS)
        except TimeoutError:
            return Attempt(error=DeliveryError.TIMED_OUT)
        except (httpx2.ConnectError, OSError, UnicodeError):
            return Attempt(error=DeliveryError.UNREACHABLE)
        except (httpx2.TransportError, httpx2.InvalidURL):
            return Attempt(error=DeliveryError.BROKEN)

    async def _posted(self, body: bytes, headers: Mapping[str, str]) -> Attempt:
        request = httpx2.Request("POST", self._url, headers={**_HEADERS, **headers}, content=body)
        response = await self._transport.handle_async_request(request)
        try:
            await _finished(response)
        finally:
            await response.aclose()
        return _attempt(response.status_code, response.headers.get("retry-after"))


async def _close(transport: CheckedTransport) -> None:
    """Close every connection. It is done one after the other; whoever is cancelled meanwhile waits for the rest."""
    closing = asyncio.create_task(transport.aclose())
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await asyncio.wait({closing})
        raise


async def _finished(response: httpx2.Response) -> None:
    """Read a short answer to its end, and of a long one the beginning. How it goes on is nothing to its status."""
    size = 0
    try:
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > _ANSWER_BYTES:
                return
    except httpx2.TransportError:
        return


def _attempt(status: int, retry_after: str | None) -> Attempt:
    if httpx2.codes.is_success(status):
        return Attempt(status)
    asked: timedelta | None = parse_retry_after(retry_after, datetime.now(UTC))
    return Attempt(status, DeliveryError.STATUS, asked)
