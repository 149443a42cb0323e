"""Bounds how often an address may show credentials that are not valid, before any is looked up."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

import structlog

from server.domain.limit_errors import AuthenticationFailsTooOften
from server.domain.rates import Standing, Window
from server.ports.system import Clock

_log = structlog.get_logger(__name__)

_ADDRESSES: Final = 16384
_CREDENTIALS: Final = 16384
_NETWORK_BITS: Final = 64


class FailedAuthentications:
    """Wrong credentials of the last minute, by address; of IPv6 by network of 64 bits, which is what one household or
    machine is given.

    Over the limit no credential from there is looked at but such as were valid in this process before: behind the
    address of an office or a proxy one client with an old key would otherwise shut out the others. Whoever is new there
    waits, with a valid credential too, for a minute at most, for what is refused unlooked at does not count.

    Remembers so many addresses and credentials, whatever comes: of more the oldest are forgotten.
    """

    def __init__(self, *, clock: Clock, limit: int, most: int = _ADDRESSES) -> None:
        """`limit` a minute; 0: as many as anybody likes. `most`: how many addresses are remembered."""
        self._clock = clock
        self._limit = limit
        self._most = most
        self._windows: dict[str, Window] = {}  # whoever failed last stands last
        # Python's own hashes, keyed anew by every process: no secret is kept. One that is met by chance is looked up,
        # no more.
        self._proven: dict[int, None] = {}

    def check(self, address: str | None, credentials: Sequence[str]) -> None:
        """Raises `AuthenticationFailsTooOften` for a call whose credentials shall not be looked at. `None` is an
        address that nobody knows: of those none is refused."""
        if not self._windows or address is None:
            return
        window = self._windows.get(_source(address))
        if window is None or not credentials:
            return
        now = self._clock.monotonic()
        if window.used(now) >= self._limit and not all(hash(text) in self._proven for text in credentials):
            raise AuthenticationFailsTooOften(window.standing(now, self._limit))

    def succeeded(self, credentials: Sequence[str]) -> None:
        """The credentials were valid."""
        for text in credentials:
            mark = hash(text)
            if mark not in self._proven:
                if len(self._proven) >= _CREDENTIALS:
                    del self._proven[next(iter(self._proven))]
                self._proven[mark] = None

    def failed(self, address: str | None, credentials: Sequence[str]) -> Standing | None:
        """The credentials were not valid; returns where their address stands, if there is a limit. Raises
        `AuthenticationFailsTooOften` where others from there failed meanwhile as often as may be."""
        for text in credentials:
            self._proven.pop(hash(text), None)
        if not self._limit or address is None:
            return None
        now, window = self._clock.monotonic(), self._window(_source(address))
        if window.used(now) >= self._limit:
            raise AuthenticationFailsTooOften(window.standing(now, self._limit))
        window.add(now)
        standing = window.standing(now, self._limit)
        if not standing.remaining:
            _log.warning("authentication_fails_too_often", address=_source(address), limit=self._limit)
        return standing

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._windows)

    def _window(self, source: str) -> Window:
        window = self._windows.pop(source, None)
        if window is None:
            window = Window()
            if len(self._windows) >= self._most:
                del self._windows[next(iter(self._windows))]
        self._windows[source] = window
        return window


@lru_cache(maxsize=4096)
def _source(address: str) -> str:
    """What counts as one address."""
    parsed = ip_address(address)
    return str(ip_network((parsed, _NETWORK_BITS), strict=False)) if isinstance(parsed, IPv6Address) else address
