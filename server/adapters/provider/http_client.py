"""The HTTP client of one provider: its headers, its connections, its way past or through a proxy."""

from collections.abc import Mapping
from typing import Final
from urllib.request import getproxies, proxy_bypass

import httpx

from server.adapters.provider.direct_transport import DirectTransport
from server.adapters.provider.endpoint import is_loopback
from server.adapters.provider.provider_config import ProviderConfig

_MAX_CONNECTIONS: Final = 1000
_MAX_IDLE: Final = 100
_KEEP_ALIVE: Final = 60.0


def direct_client(config: ProviderConfig) -> httpx.AsyncClient:
    """A client that connects to the provider itself, by way of `DirectTransport`."""
    transport = DirectTransport(
        config.base_url,
        connect_timeout=config.timeouts.connect.total_seconds(),
        max_connections=_MAX_CONNECTIONS,
        max_idle=_MAX_IDLE,
        keep_alive=_KEEP_ALIVE,
    )
    return httpx.AsyncClient(headers=_headers(config), timeout=None, follow_redirects=False, transport=transport)  # noqa: S113 - the transport and `Patience` limit it


def proxied_client(config: ProviderConfig) -> httpx.AsyncClient:
    """A client with httpx's own transport, which goes through the proxy of the environment where there is one."""
    connect = config.timeouts.connect.total_seconds()
    return httpx.AsyncClient(
        headers=_headers(config),
        # How long an answer may take is `Patience`'s business.
        timeout=httpx.Timeout(None, connect=connect, pool=connect),
        follow_redirects=False,
        limits=httpx.Limits(
            max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_IDLE, keepalive_expiry=_KEEP_ALIVE
        ),
    )


def http_client(config: ProviderConfig) -> httpx.AsyncClient:
    """The right one of both. Redirects are followed by neither: the key is for the configured server only."""
    return proxied_client(config) if _is_proxied(httpx.URL(config.base_url)) else direct_client(config)


def _is_proxied(url: httpx.URL) -> bool:
    # A proxy cannot reach this machine's loopback, whatever the environment says.
    if is_loopback(str(url)) or proxy_bypass(url.host):
        return False
    return not getproxies().keys().isdisjoint({url.scheme, "all"})


def _headers(config: ProviderConfig) -> Mapping[str, str]:
    headers = httpx.Headers({"Accept": "text/event-stream", "Accept-Encoding": "identity", "User-Agent": "parley"})
    headers["Content-Type"] = "application/json"
    if config.api_key is not None:
        headers["Authorization"] = f"Bearer {config.api_key}"
    headers.update(config.headers)
    return headers
