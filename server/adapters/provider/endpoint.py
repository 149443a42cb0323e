"""Rules for what is sent to a provider besides the request: its URL, key and headers."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

import httpx

from server.adapters.provider.provider_config import (
    OPENAI_BASE_URL,
    OPENROUTER_BASE_URL,
    ConfigurationError,
    ProviderConfig,
)

_PATH: Final = "/chat/completions"
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e\t]*")
_KEY: Final = re.compile(r"[\x21-\x7e]+")
# These frame the request or name the server; a wrong one breaks the connection, not only the answer.
_OWN_HEADERS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-type", "accept"})
# OpenRouter shows its users which application asked; neither is needed for an answer.
_OPENROUTER_HEADERS: Final = {"HTTP-Referer": "http://localhost", "X-Title": "Parley"}


def checked_base_url(text: str, key: str) -> str:
    """The URL without a slash at its end. Raises `ConfigurationError` naming `key`."""
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError(f"{key}: expected a URL such as {OPENAI_BASE_URL} or http://localhost:11434/v1")
    if url.userinfo:
        raise ConfigurationError(f"{key}: take the user and password out of the URL; give the key separately")
    if url.query or url.fragment:
        raise ConfigurationError(f"{key}: the URL must have no query and no fragment")
    return str(url).rstrip("/").removesuffix(_PATH)


def checked_api_key(text: str, key: str) -> str:
    """The key without white space around it. Raises `ConfigurationError` naming `key`, never showing the value."""
    stripped = text.strip()
    if not _KEY.fullmatch(stripped):
        raise ConfigurationError(f"{key}: an API key is one word of printable ASCII characters")
    return stripped


def checked_headers(headers: Mapping[str, str], key: str) -> dict[str, str]:
    """The headers as they are. Raises `ConfigurationError` for what cannot be sent or is not free to choose."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise ConfigurationError(f"{key}.{name}: not a header that can be set here")
        if not _HEADER_VALUE.fullmatch(value):
            raise ConfigurationError(f"{key}.{name}: the value must be one line of printable ASCII characters")
    return dict(headers)


def usual_headers(base_url: str) -> dict[str, str]:
    """What a well-known provider likes to be told; the configuration may say otherwise."""
    return dict(_OPENROUTER_HEADERS) if base_url == OPENROUTER_BASE_URL else {}


def usual_max_tokens_field(base_url: str) -> str:
    """How the provider behind the URL calls the limit of an answer."""
    return "max_completion_tokens" if base_url == OPENAI_BASE_URL else "max_tokens"


def is_loopback(base_url: str) -> bool:
    """Whether the URL names this machine, by `localhost` or a loopback address."""
    host = httpx.URL(base_url).host
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def secrets_of(config: ProviderConfig) -> list[str]:
    """What must not appear in a message: the key, and every word of the headers that somebody configured."""
    usual = usual_headers(config.base_url)
    values = [value for name, value in config.headers.items() if usual.get(name) != value]
    return [word for value in [config.api_key or "", *values] for word in value.split()]
