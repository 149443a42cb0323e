"""From which address a call comes, through proxies and gateways that are trusted to say so."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import unquote

from server.address import Network

UNKNOWN: Final = "unknown"
"""Stands for an address where there is none: a socket in the file system, or a transport that does not say."""


class Peers:
    """Tells callers' addresses.

    `X-Forwarded-For` names whom each proxy on the way was called by, the nearest proxy's word last. It is read from the
    end for as long as the one who says so is trusted; what stands further left anybody may have written.
    """

    def __init__(self, trusted: Iterable[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        self._is_trusted = lru_cache(maxsize=1024)(self._belongs)

    def address(self, peer: str, forwarded: Sequence[str]) -> str:
        """The caller's IP address as text, without a port; `UNKNOWN` for none. `peer` is gRPC's name of the other end,
        `forwarded` the values of `x-forwarded-for` in the order sent."""
        address = _address_of(peer)
        if not forwarded or not self._trusted:
            return address
        for said in reversed(",".join(forwarded).split(",")):
            if not self._is_trusted(address):
                break
            found = _canonical(_without_port(said.strip()))
            if found is None:
                break
            address = found
        return address

    def _belongs(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)


def _address_of(peer: str) -> str:
    """The address in `ipv4:192.0.2.1:4711` or `ipv6:%5B::1%5D:4711`."""
    kind, _, rest = peer.partition(":")
    if kind == "ipv4":
        return rest.rpartition(":")[0]
    if kind == "ipv6":
        return _canonical(_without_port(unquote(rest))) or UNKNOWN
    return UNKNOWN


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _canonical(text: str) -> str | None:
    """One text for each address; an IPv4 address in IPv6 clothes is that address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
