"""Writes the reply of a unary call: the whole message or its `response_body` field, as JSON or as raw `HttpBody`."""

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor

from gateway.core import http_body
from gateway.core.codec import Codecs
from gateway.core.dialect import Dialect
from gateway.core.path_binding import BindingError

JSON_TYPE = b"application/json"


class Content(NamedTuple):
    """A reply's body and its type."""

    type: bytes
    body: bytes


class ReplyPlan:
    """How one binding writes its replies; `write` raises `JsonError` for a message that has no JSON form."""

    def __init__(self, message: Descriptor, response_body: str, codecs: Codecs, dialect: Dialect) -> None:
        self.write: Callable[[Any], Content] = _writer(message, response_body, codecs, dialect)
        """Give the content of a reply."""


def _writer(message: Descriptor, response_body: str, codecs: Codecs, dialect: Dialect) -> Callable[[Any], Content]:
    if not response_body:
        if http_body.is_http_body(message):
            return _raw
        encode = codecs.message(message, dialect).encode
    else:
        field = message.fields_by_name.get(response_body)
        if field is None:
            raise BindingError(f"{message.full_name} has no field {response_body!r}, which is to be the reply's body")
        if http_body.is_http_body(field.message_type) and not field.is_repeated:
            return lambda reply: _raw(getattr(reply, response_body))
        encode = codecs.field(field, dialect).encode
    return lambda reply: Content(JSON_TYPE, encode(reply))


def _raw(body: Any) -> Content:
    return Content(http_body.reply_type(body), body.data)
