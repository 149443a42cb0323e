"""Addresses to listen on, `HOST:PORT` with a port of 0 for any free one, and URLs to ask."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

Network: TypeAlias = IPv4Network | IPv6Network
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IPv4 or IPv6 address, without brackets) and a TCP port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `host:port` or `[ipv6]:port`. Raises `ValueError` with a sentence."""
        host, separator, port = text.strip().rpartition(":")
        if not separator or not host or not (port.isascii() and port.isdigit()) or int(port) > _MAX_PORT:
            raise ValueError(f"expected HOST:PORT such as 127.0.0.1:8080, got {text!r}")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"write an IPv6 address in brackets, such as [::1]:{port}; got {text!r}")
        return cls(host, int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than `localhost` is taken to be reachable by others."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback_url(url: str) -> bool:
    """Whether a URL names this machine, which no proxy between can reach."""
    return _names_loopback(urlsplit(url))


def is_safe_url(url: str) -> bool:
    """Whether what a URL answers comes from who it names: `https`, or `http` on this machine; and it bears no password,
    which would be shown with it."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises `ValueError` for what is no port
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _names_loopback(parts))


def _names_loopback(parts: SplitResult) -> bool:
    return Address(parts.hostname or "", 0).is_loopback
