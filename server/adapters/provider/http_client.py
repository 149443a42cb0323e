"""The HTTP client of one provider: its headers, its connections, and whether a proxy stands between."""

from collections.abc import Mapping
from typing import Final

import httpx

from server.adapters.provider.endpoint import is_loopback
from server.adapters.provider.provider_config import ProviderConfig

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


def _headers(config: ProviderConfig) -> Mapping[str, str]:
    headers = httpx.Headers({"Accept": "text/event-stream", "Accept-Encoding": "identity", "User-Agent": "parley"})
    headers["Content-Type"] = "application/json"
    if config.api_key is not None:
        headers["Authorization"] = f"Bearer {config.api_key}"
    headers.update(config.headers)
    return headers
