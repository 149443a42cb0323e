"""Cross-origin calls from browsers: off until origins are configured."""

from collections.abc import Iterable

from gateway.edge.asgi import RawHeader

_ANY = "*"
# What requests of a browser may carry besides metadata: how they are written, and how long they may take.
_ALLOWED = ("content-type", "connect-protocol-version", "connect-timeout-ms")


class Cors:
    """Says what a browser may do. Credentials travel in headers that a page sets itself, so cookies never count."""

    def __init__(self, origins: Iterable[str], *, inward: Iterable[str], outward: Iterable[str], max_age: int) -> None:
        self._origins = {origin.encode() for origin in origins}
        self.is_on = bool(self._origins)
        """Whether any origin is allowed."""
        self._takes_any = _ANY.encode() in self._origins
        self._allowed_headers = ", ".join([*_ALLOWED, *inward]).encode()
        self._exposed = ", ".join(["x-request-id", *outward]).encode()
        self._max_age = b"%d" % max_age

    def reply_headers(self, origin: bytes | None) -> tuple[RawHeader, ...]:
        """Give what a reply to a page of this origin says; nothing to others."""
        if origin is None or not self._allows(origin):
            return ((b"vary", b"origin"),) if self.is_on else ()
        return (
            (b"access-control-allow-origin", b"*" if self._takes_any else origin),
            (b"access-control-expose-headers", self._exposed),
            (b"vary", b"origin"),
        )

    def preflight_headers(self, methods: Iterable[str]) -> list[RawHeader]:
        """Give what the reply to a preflight says besides."""
        return [
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", self._allowed_headers),
            (b"access-control-max-age", self._max_age),
        ]

    def _allows(self, origin: bytes) -> bool:
        return self._takes_any or origin in self._origins
