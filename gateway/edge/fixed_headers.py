"""The headers that every reply has, whatever it is: what a browser may not make of it."""

from gateway.edge.asgi import RawHeader

# Replies are data, and files may be anybody's: nothing in them runs, and no page shows them in a frame. The one page
# for people has a policy of its own.
_PROTECTION: tuple[RawHeader, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


class FixedHeaders:
    """Headers that do not change while a gateway lives, as pairs and as the lines that they are on the wire."""

    __slots__ = ("lines", "pairs")

    def __init__(self, *, hsts_seconds: int = 0) -> None:
        """`hsts_seconds`: how long browsers shall come back with TLS only; 0: nothing is said of it."""
        hsts = ((b"strict-transport-security", b"max-age=%d" % hsts_seconds),) if hsts_seconds else ()
        self.pairs: tuple[RawHeader, ...] = (*_PROTECTION, *hsts)
        self.lines = b"".join([b"%b: %b\r\n" % pair for pair in self.pairs])
        """The same, ready to be written: formatting them for every reply would cost as much as its others do."""

    def beside(self, headers: list[RawHeader]) -> list[RawHeader]:
        """Give a page's own headers and those of ours that it does not have."""
        own = {name for name, _ in headers}
        return [*headers, *[pair for pair in self.pairs if pair[0] not in own]]
