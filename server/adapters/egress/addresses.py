"""Which addresses may be called: public ones, unless the operator allows others."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, best first. Raises `OSError`."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
_REFUSED_V4: Final = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments; the standard library lets some through
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
)
_REFUSED: Final = (
    IPv6Network("::/96"),  # IPv4-compatible, deprecated
    IPv6Network("64:ff9b:1::/48"),  # NAT64 for local use
    IPv6Network("2001::/32"),  # Teredo: ends at an IPv4 host that the address only hides
)


# Threads of their own, for whoever has named a host decides how long its look-up takes: those that everything else
# shares would all wait for hosts whose name servers never answer.
_LOOKUPS: Final = ThreadPoolExecutor(16, thread_name_prefix="lookup")


class AddressRefused(Exception):
    """A host has an address that it may not be reached at."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} has an address of this machine or of a private network, which allow_private_addresses permits"
        )


async def resolve(host: str, port: int) -> list[str]:
    """What the machine's resolver says."""
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, look_up)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def permitted_addresses(
    host: str, port: int, *, allow_private: bool, resolver: Resolve = resolve
) -> Sequence[str]:
    """The addresses of a host, to connect to exactly these: a name may mean something else a moment later. One that
    is refused refuses the host, for nobody who is honest mixes them. Raises `AddressRefused`, `OSError`."""
    addresses = await resolver(host, port)
    if not allow_private and not all(map(is_public, addresses)):
        raise AddressRefused(host)
    return addresses


def is_public(address: str) -> bool:
    """Whether an IP address is reachable, and meant to be, from anywhere. One that hides an IPv4 address is judged by
    that."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if (inner := _embedded(ip)) is not None:
            return is_public(str(inner))
        if ip.is_site_local or any(ip in network for network in _REFUSED):
            return False
    elif any(ip in network for network in _REFUSED_V4):
        return False
    return ip.is_global and not ip.is_multicast


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour
