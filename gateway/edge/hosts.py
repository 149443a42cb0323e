"""Whom a request may be for: the `Host` that it names.

A web page can have its own name resolved to an address of this machine or network (DNS rebinding); a browser then sends
its calls here as if they were the page's own. The name in `Host` gives that away.
"""

from collections.abc import Collection
from ipaddress import ip_address

from gateway.core.problem import invalid, refused
from gateway.core.status import Code

ANY = "*"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MISDIRECTED = 421
_REMEMBERED = 256


def default_hosts(bound: str) -> tuple[str, ...]:
    """Give the names under which a listener on the host `bound` is called: that one, and this machine's of itself.

    A listener on all addresses is called by names that it cannot know: any will do until they are configured.
    """
    try:
        if ip_address(bound).is_unspecified:
            return (ANY,)
    except ValueError:
        pass
    return (bound, *LOOPBACK)


class Hosts:
    """The hosts that are allowed, without regard to case, a port, or a last dot."""

    def __init__(self, allowed: Collection[str]) -> None:
        """`allowed`: names and addresses; `*` is any."""
        self._allowed = frozenset(_canonical(host) for host in allowed)
        self.is_open = ANY in allowed
        """Whether any host will do."""
        self._known: set[bytes] = set()

    def check(self, host: bytes | None, http_version: str) -> None:
        """Raise `Refused` for a request that is for somebody else, or says not for whom."""
        if self.is_open or host in self._known:
            return
        if host is None:
            # Health checks of HTTP/1.0 name none. No browser speaks that.
            if http_version == "1.0":
                return
            raise invalid("host", "is missing", reason="INVALID_HEADER")
        if _canonical(_without_port(host.decode("latin-1"))) not in self._allowed:
            raise refused(
                Code.INVALID_ARGUMENT,
                "this is not the server of that name; whoever runs it can allow the name",
                reason="HOST_NOT_ALLOWED",
                http_status=_MISDIRECTED,
            )
        if len(self._known) < _REMEMBERED:
            self._known.add(host)


def _without_port(host: str) -> str:
    """Give the name of `name:port`, or the address of `[address]:port`."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _canonical(host: str) -> str:
    text = host.strip("[]").lower().removesuffix(".")
    try:
        return str(ip_address(text))
    except ValueError:
        return text
