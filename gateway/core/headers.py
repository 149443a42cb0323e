"""Which request headers become metadata, which reply metadata becomes headers: allow-lists both ways."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence

from gateway.core.metadata import FIELD_OVERHEAD, TRANSPORT_SHARE, Metadata, Metadatum, size_of
from gateway.core.problem import Refused, invalid, refused
from gateway.core.status import HEADERS_TOO_LARGE, Code

RawHeaders = Sequence[tuple[bytes, bytes]]
_FORWARDED_FOR = "x-forwarded-for"
_BINARY_SUFFIX = "-bin"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
# What would be ambiguous or steer the transport if it came twice.
_SINGLE = {
    b"content-type",
    b"content-encoding",
    b"content-length",
    b"host",
    b"origin",
    b"grpc-timeout",
    b"connect-timeout-ms",
}


class InwardHeaders:
    """The allow-list inward. No other header becomes metadata, whatever it is called."""

    def __init__(self, names: Iterable[str], *, size_limit: int, count_limit: int) -> None:
        self._names = [(name.encode(), name, name.endswith(_BINARY_SUFFIX)) for name in names]
        self._single = _SINGLE | {raw for raw, _, _ in self._names}
        self._size_limit = size_limit
        self._count_limit = count_limit

    def read(self, headers: RawHeaders) -> dict[bytes, bytes]:
        """Give the headers by lower-case name; raises `Refused` when they are too many or one comes twice that may not.

        Of other repeated headers the last value is given, except `accept`, whose values are joined.
        """
        self._check_size(headers)
        by_name = dict(headers)
        if len(by_name) != len(headers):
            self._check_repeated(headers)
            accepts = [value for name, value in headers if name == b"accept"]
            if accepts:
                by_name[b"accept"] = b",".join(accepts)
        return by_name

    def metadata(self, by_name: dict[bytes, bytes], request_id: str) -> Metadata:
        """Give the metadata of the call, the request id included; raises `Refused` for a value that cannot be sent."""
        pairs = []
        for raw, name, is_binary in self._names:
            value = by_name.get(raw)
            if value is not None and name != "x-request-id":
                pairs.append(Metadatum(name, _binary(name, value) if is_binary else _text(name, value)))
        pairs.append(Metadatum("x-request-id", request_id))
        return tuple(pairs)

    def _check_size(self, headers: RawHeaders) -> None:
        count = len(headers)
        size = sum([len(name) + len(value) for name, value in headers]) + FIELD_OVERHEAD * count
        if size > self._size_limit or count > self._count_limit:
            raise headers_too_large(self._size_limit, self._count_limit)

    def _check_repeated(self, headers: RawHeaders) -> None:
        seen = set()
        for name, _ in headers:
            if name in seen and name in self._single:
                raise invalid(name.decode("latin-1"), "is given more than once", reason="INVALID_HEADER")
            seen.add(name)


def forwarded_for(headers: RawHeaders, client: str) -> Metadatum:
    """Give the entry that tells for whom a call is made: the chain that came with the request, and who sent that."""
    chain = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return Metadatum(_FORWARDED_FOR, ", ".join([*filter(_is_printable, chain), client]))


class OutwardHeaders:
    """The allow-list outward."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {name: name.encode() for name in names if not name.endswith(_BINARY_SUFFIX)}

    def headers(self, *metadata: Metadata) -> list[tuple[bytes, bytes]]:
        """Give the metadata that may become headers; a value that would break out of its header is left out."""
        headers = []
        for pairs in metadata:
            for key, value in pairs:
                name = self._names.get(key)
                if name is not None and isinstance(value, str) and value.isascii() and value.isprintable():
                    headers.append((name, value.encode()))
        return headers


def check_metadata(metadata: Metadata, limit: int) -> None:
    """Refuse metadata that would not fit into the transport's limit together with what the transport adds."""
    if size_of(metadata) + TRANSPORT_SHARE > limit:
        raise headers_too_large(limit, None)


def headers_too_large(size: int, count: int | None) -> Refused:
    """Make the refusal of too many or too large header fields."""
    fields = f" or {count} fields" if count is not None else ""
    return refused(
        Code.RESOURCE_EXHAUSTED,
        f"the headers are larger than {size} bytes{fields}",
        reason="HEADERS_TOO_LARGE",
        http_status=HEADERS_TOO_LARGE,
    )


def accepted_request_id(value: bytes | None) -> str | None:
    """Give the caller's request id if it is one that may be repeated in replies, logs and metadata."""
    return value.decode() if value is not None and _REQUEST_ID.fullmatch(value) else None


def _is_printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _text(name: str, value: bytes) -> str:
    text = value.decode("latin-1")
    if not _is_printable(text):
        raise invalid(name, "must be printable ASCII", reason="INVALID_HEADER")
    return text


def _binary(name: str, value: bytes) -> bytes:
    try:
        return base64.b64decode(value.rstrip(b"=") + b"=" * (-len(value.rstrip(b"=")) % 4), validate=True)
    except binascii.Error:
        raise invalid(name, "must be base64", reason="INVALID_HEADER") from None
