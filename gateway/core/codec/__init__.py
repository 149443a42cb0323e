"""Messages as JSON and back, by functions compiled from descriptors for one dialect, with orjson underneath."""

from gateway.core.codec.codecs import Codecs, FieldCodec, MessageCodec
from gateway.core.codec.errors import JsonError

__all__ = ["Codecs", "FieldCodec", "JsonError", "MessageCodec"]
