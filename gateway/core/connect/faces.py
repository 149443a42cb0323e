"""The faces of a method on its own path, `POST /package.Service/Method`, by what a request says it speaks.

Plain JSON is answered in the method's own dialect, for people with curl. A Connect client (it says so in a header, or
by a content type that nobody else uses) sees plain ProtoJSON or protobuf's own bytes, streams in envelopes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import Descriptor

from gateway.core.codec import Codecs
from gateway.core.connect.envelope import end_of_stream, enveloped
from gateway.core.connect.protocol import UNARY_JSON, VERSION_HEADER, is_connect, media_type
from gateway.core.dialect import PROTO_JSON
from gateway.core.framing import Frame, Framing
from gateway.core.reply import JSON_TYPE, Content

Face = TypeVar("Face")
Encode = Callable[[Any], bytes]
_VERSION: Final = VERSION_HEADER.encode()


def face_of(plain: Face, faces: Mapping[str, Face], headers: Mapping[bytes, bytes]) -> Face:
    """Choose the face by content type; `plain` where there is none, and for JSON that is not said to be Connect's.

    Raises `Refused` for an unknown version of the protocol.
    """
    kind = media_type(headers.get(b"content-type", b""))
    says_connect = is_connect(headers.get(_VERSION))
    return plain if kind == UNARY_JSON and not says_connect else faces.get(kind, plain)


class ConnectReplyPlan:
    """How the unary replies of one method are written."""

    def __init__(self, encode: Encode, content_type: str) -> None:
        self._encode = encode
        self._type = JSON_TYPE if content_type == UNARY_JSON else content_type.encode()

    def write(self, reply: Any) -> Content:
        """Give the content of a reply; raises `JsonError` for a message that has no JSON form."""
        return Content(self._type, self._encode(reply))


class ConnectEventPlan:
    """How the stream messages of one method are written."""

    is_raw: Final = False

    def __init__(self, encode: Encode) -> None:
        self._encode = encode

    def raw_type(self, message: Any) -> bytes:
        """Raise: no stream of this protocol is raw bytes."""
        raise TypeError(f"{message.DESCRIPTOR.full_name} goes in envelopes")

    def frame(self, framing: Framing) -> Frame:
        """Give the function that puts a message into its envelope; none is the last, that is an envelope of its own."""
        encode = self._encode
        return lambda message: (framing.event("", "", encode(message)), False)


def connect_framing(content_type: str) -> Framing:
    """Give the punctuation of a stream; the writer of its errors makes the whole last envelope."""
    return Framing(
        content_type.encode(),
        has_heartbeat=False,
        event=lambda _name, _cursor, data: enveloped(data),
        end=end_of_stream,
        error=bytes,
    )


def json_encoder(message: Descriptor, codecs: Codecs) -> Encode:
    """Give the writer of plain ProtoJSON."""
    return codecs.message(message, PROTO_JSON).encode


def binary_encoder(message: Any) -> bytes:
    """Give a message's own bytes."""
    data: bytes = message.SerializeToString()
    return data
