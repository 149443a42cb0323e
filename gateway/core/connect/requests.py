"""Reads the request message of a Connect call from its body, which is all of the request."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from gateway.core.body_words import BODY
from gateway.core.codec import Codecs, JsonError
from gateway.core.connect.envelope import EnvelopeError, only_message
from gateway.core.dialect import PROTO_JSON
from gateway.core.problem import Refused, invalid

Decode = Callable[[bytes], Any]


class ConnectRequestPlan:
    """How the requests of one method are read; every method raises `Refused` for what is not understood."""

    def __init__(self, decode: Decode, *, is_enveloped: bool) -> None:
        self._decode = decode
        self._is_enveloped = is_enveloped

    def build(self, *, captures: tuple[bytes, ...], query: bytes, body: bytes, content_type: str) -> Any:
        """Give the request message."""
        del captures, content_type
        if query:
            raise invalid("", "a call of this protocol takes no query string")
        return self._decode(_opened(body) if self._is_enveloped else body)

    def take_headers(self, message: Any, headers: Mapping[bytes, bytes]) -> None:
        """Do nothing: a Connect client sets all fields in its message."""

    def resume(self, message: Any, last_event_id: str) -> None:
        """Do nothing: a Connect client sets the cursor in its message."""


def binary_decoder(message: Descriptor) -> Decode:
    """Give the reader of binary bodies."""
    parse = GetMessageClass(message).FromString

    def decode(body: bytes) -> Any:
        try:
            return parse(body)
        except DecodeError:
            raise _bad("", f"must be a {message.full_name} in binary form", whole=BODY) from None

    return decode


def json_decoder(message: Descriptor, codecs: Codecs) -> Decode:
    """Give the reader of bodies in plain ProtoJSON; an empty one is the default message."""
    codec = codecs.message(message, PROTO_JSON)

    def decode(body: bytes) -> Any:
        if not body:
            return codec.new()
        try:
            return codec.decode(body)
        except JsonError as error:
            raise _bad(error.field, error.description, whole=BODY) from None

    return decode


def _opened(body: bytes) -> bytes:
    try:
        return only_message(body)
    except EnvelopeError as error:
        raise _bad("", str(error)) from None


def _bad(field: str, description: str, *, whole: str = "") -> Refused:
    return invalid(field, description, reason="INVALID_BODY", whole=whole)
