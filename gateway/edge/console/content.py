"""A page that does not change while the process lives: its bytes, its headers, and the answer to a request for it."""

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from gateway.edge import refusals
from gateway.edge.asgi import RawHeader, Scope, Send
from gateway.edge.compression import takes_gzip

_READ_ONLY = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a page, as they are and compressed, and the tag that names this content."""

    body: bytes
    compressed: bytes
    etag: bytes
    headers: tuple[RawHeader, ...]

    @classmethod
    def of(cls, body: bytes, content_type: bytes, headers: Sequence[RawHeader] = ()) -> Self:
        """Prepare a page; the same bytes have the same tag, in every process."""
        etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()
        fixed = (
            (b"content-type", content_type),
            (b"cache-control", b"no-cache"),
            (b"vary", b"accept-encoding"),
            *headers,
        )
        return cls(body, gzip.compress(body, mtime=0), etag, fixed)

    async def answer(self, scope: Scope, send: Send) -> None:
        """Answer GET and HEAD, with 304 to a client that has this content already; Refused for other methods."""
        if scope["method"] not in _READ_ONLY:
            raise refusals.method_not_allowed(_READ_ONLY)
        asked = dict(scope["headers"])
        if _names(asked.get(b"if-none-match", b""), self.etag):
            await _send(send, 304, [*self.headers, (b"etag", self.etag)], b"")
            return
        headers, body = [*self.headers, (b"etag", self.etag)], self.body
        if takes_gzip(asked.get(b"accept-encoding", b"")):
            headers.append((b"content-encoding", b"gzip"))
            body = self.compressed
        headers.append((b"content-length", b"%d" % len(body)))
        await _send(send, 200, headers, b"" if scope["method"] == "HEAD" else body)


def _names(if_none_match: bytes, etag: bytes) -> bool:
    """Say whether the header names the tag; weak tags count, for a compressed body is the same content."""
    tags = [tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")]
    return etag in tags or b"*" in tags


async def _send(send: Send, status: int, headers: list[RawHeader], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
