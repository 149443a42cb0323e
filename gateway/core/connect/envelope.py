"""Connect's streaming envelope: one byte of flags, four of length, the message."""

import struct
from collections.abc import Mapping
from typing import Final

import orjson

_COMPRESSED: Final = 0b01
_END_STREAM: Final = 0b10
_HEAD: Final = struct.Struct(">BI")


class EnvelopeError(ValueError):
    """The body is not what a stream's request must be; the text says why."""


def enveloped(payload: bytes) -> bytes:
    """One message of a stream."""
    return _HEAD.pack(0, len(payload)) + payload


def end_of_stream(error: Mapping[str, object] | None = None) -> bytes:
    """The last envelope of every stream, which says how it ended."""
    payload = orjson.dumps({} if error is None else {"error": error})
    return _HEAD.pack(_END_STREAM, len(payload)) + payload


def only_message(body: bytes) -> bytes:
    """The one message of a server stream's request. Raises `EnvelopeError`."""
    if len(body) < _HEAD.size:
        raise EnvelopeError("must be one envelope: a byte of flags, four of length, the message")
    flags, length = _HEAD.unpack_from(body)
    if flags & _COMPRESSED:
        raise EnvelopeError("compressed envelopes are not understood; send them without Connect-Content-Encoding")
    if flags:
        raise EnvelopeError(f"an envelope with the flags {flags} cannot begin a request")
    if len(body) != _HEAD.size + length:
        raise EnvelopeError(f"the envelope announces {length} bytes, {len(body) - _HEAD.size} came; send exactly one")
    return body[_HEAD.size :]
