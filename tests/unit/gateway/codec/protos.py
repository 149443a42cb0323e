"""The codec's test messages: their classes, and their codecs by dialect."""

from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass

from gateway.core.codec import Codecs, FieldCodec, JsonError, MessageCodec
from gateway.core.dialect import PLAIN, Dialect, FieldNames, Int64Form, UnsetForm
from tests.support.pools import compiled_pool

POOL = compiled_pool("codec_test.proto")
CODECS = Codecs(POOL)
PACKAGE = "parley.test.codec."

SNAKE = Dialect(field_names=FieldNames.SNAKE, int64_form=Int64Form.NUMBER, unset_form=UnsetForm.NULL)
WRITTEN = Dialect(unset_form=UnsetForm.DEFAULT)
LENIENT = Dialect(ignore_unknown_fields=True)
DIALECTS = {"plain": PLAIN, "snake": SNAKE, "written": WRITTEN, "lenient": LENIENT}


def descriptor(name: str) -> Descriptor:
    """Give the descriptor of a test message."""
    return POOL.FindMessageTypeByName(PACKAGE + name)


def new(name: str, /, **fields: Any) -> Any:
    """Make a test message."""
    return GetMessageClass(descriptor(name))(**fields)


def codec(name: str, dialect: Dialect = PLAIN) -> MessageCodec:
    """Give the codec of a test message."""
    return CODECS.message(descriptor(name), dialect)


def field_codec(name: str, field: str, dialect: Dialect = PLAIN) -> FieldCodec:
    """Give the codec of a field of a test message."""
    return CODECS.field(descriptor(name).fields_by_name[field], dialect)


def read(name: str, text: str, dialect: Dialect = PLAIN) -> Any:
    """Read a JSON text as a test message."""
    return codec(name, dialect).decode(text.encode())


def written(message: Any, dialect: Dialect = PLAIN) -> str:
    """Write a message as JSON text."""
    return CODECS.message(message.DESCRIPTOR, dialect).encode(message).decode()


def refusal(name: str, body: str | bytes, dialect: Dialect = PLAIN) -> JsonError:
    """Read a document that must be refused, and give the error."""
    raw = body.encode() if isinstance(body, str) else body
    try:
        message = codec(name, dialect).decode(raw)
    except JsonError as error:
        return error
    raise AssertionError(f"{raw[:200]!r} is taken as {message}")
