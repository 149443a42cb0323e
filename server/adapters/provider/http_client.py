"""The HTTP client of one provider: its headers, its connections, whether a proxy stands between, and what its errors
mean."""

from collections.abc import Mapping
from typing import Final

import httpx

from server.adapters.provider.endpoint import is_loopback
from server.adapters.provider.failures import Failures
from server.adapters.provider.provider_config import ProviderConfig
from server.ports.provider import ProviderError

_MAX_CONNECTIONS: Final = 1000
_MAX_IDLE: Final = 100
_KEEP_ALIVE: Final = 60.0


def http_client(config: ProviderConfig) -> httpx.AsyncClient:
    """A client for the provider alone. The environment's proxy is used, but not for this machine, which no proxy can
    reach. Redirects are not followed: the key is for the configured server only."""
    connect = config.timeouts.connect.total_seconds()
    return httpx.AsyncClient(
        headers=_headers(config),
        # How long an answer may take is `Patience`'s business.
        timeout=httpx.Timeout(None, connect=connect, pool=connect),
        follow_redirects=False,
        trust_env=not is_loopback(config.base_url),
        limits=httpx.Limits(
            max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_IDLE, keepalive_expiry=_KEEP_ALIVE
        ),
    )


def not_answered(error: httpx.HTTPError, failures: Failures) -> ProviderError:
    """What it means that a request was not answered at all."""
    if isinstance(error, httpx.RemoteProtocolError) and not _hung_up(error):
        return failures.malformed("something that is not HTTP")
    if isinstance(error, httpx.PoolTimeout):
        return failures.unreachable("is busy with as many requests as may run at once")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return failures.unreachable("could not be reached")
    return failures.unreachable("hung up before it answered")


def _hung_up(error: httpx.RemoteProtocolError) -> bool:
    # The one type stands for a connection that was closed and for bytes that are no HTTP; only the text differs.
    return "disconnected" in str(error)


def _headers(config: ProviderConfig) -> Mapping[str, str]:
    headers = httpx.Headers({"Accept": "text/event-stream", "Accept-Encoding": "identity", "User-Agent": "parley"})
    headers["Content-Type"] = "application/json"
    if config.api_key is not None:
        headers["Authorization"] = f"Bearer {config.api_key}"
    headers.update(config.headers)
    return headers
