"""Makes the request message of a call from the path, the query string and the body: one plan per binding."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.core import http_body
from gateway.core.body_words import BODY
from gateway.core.codec import Codecs, FieldCodec, JsonError
from gateway.core.dialect import Dialect, header_of, is_cursor, is_last_piece
from gateway.core.field_path import FieldPaths
from gateway.core.http_rule import WHOLE, HttpBinding
from gateway.core.path_binding import BindingError, PathPlan
from gateway.core.problem import Refused, invalid, refused
from gateway.core.query import QueryPlan
from gateway.core.status import Code

_UNSUPPORTED_MEDIA_TYPE = 415
_JSON = "application/json"
_CHARSETS = ("utf-8", "utf8", "us-ascii")
CURSOR_HEADER = "Last-Event-ID"

_Reader = Callable[[bytes, str], Message]


class RequestPlan:
    """How one binding makes its request messages.

    The body comes first, then the path (which must not contradict it), then the query string. Every method raises
    `Refused`, naming the part, for what is not understood.
    """

    def __init__(self, message: Descriptor, binding: HttpBinding, codecs: Codecs, dialect: Dialect) -> None:
        self._message = message
        self._class: Any = GetMessageClass(message)
        self._codecs = codecs
        self._dialect = dialect
        self._raw = self._raw_reader(binding.body)
        self._read = self._raw or self._reader(binding.body)
        fields = FieldPaths(message, codecs, dialect)
        self._last_piece = frozenset((field.name,) for field in message.fields if is_last_piece(field))
        self._headers = [
            (name.encode(), field.name) for field in message.fields if (name := header_of(field)) is not None
        ]
        by_headers = frozenset((field,) for _, field in self._headers)
        self._path = PathPlan(binding.template, fields)
        self._query = QueryPlan(
            fields,
            bound=self._path.bound | self._last_piece | by_headers,
            body=binding.body,
            ignore_unknown=dialect.ignore_unknown_fields,
        )
        cursor = next((field for field in message.fields if is_cursor(field)), None)
        self._cursor = None if cursor is None else fields.find(cursor.name)

    def pieces(self) -> Callable[[bytes, bool], Any]:
        """Give the function that makes the messages of a client stream behind the first: a piece of the body, and
        whether it is the last. Raises `BindingError` where the body is no `HttpBody` or no field says which is last."""
        read = self._raw
        if read is None or not self._last_piece:
            raise BindingError("the HTTP rule of a client stream needs an HttpBody as its body, and a last_piece")

        ((last,),) = self._last_piece

        def piece(data: bytes, is_last: bool) -> Any:
            message = read(data, "")
            if is_last:
                setattr(message, last, True)
            return message

        return piece

    def build(self, *, captures: tuple[bytes, ...], query: bytes, body: bytes, content_type: str) -> Any:
        """Give the request message. `content_type` is the header's text, "" without one."""
        message = self._read(body, content_type)
        if captures:
            self._path.apply(message, captures)
        if query:
            self._query.apply(message, query)
        return message

    def take_headers(self, message: Any, headers: Mapping[bytes, bytes]) -> None:
        """Set the fields that headers, given by their names in lower case, set, unless the caller has set them
        otherwise."""
        for name, field in self._headers:
            value = headers.get(name)
            if value is not None and not getattr(message, field):
                setattr(message, field, value.decode("latin-1"))

    def resume(self, message: Any, last_event_id: str) -> None:
        """Set the cursor field from `Last-Event-ID`, unless the caller has set it otherwise."""
        if self._cursor is None or self._cursor.is_set(message):
            return
        try:
            self._cursor.codec.set_text(message, [last_event_id])
        except JsonError as error:
            raise invalid(CURSOR_HEADER, error.description) from None

    def _raw_reader(self, body: str) -> _Reader | None:
        if body == WHOLE:
            return self._read_raw if http_body.is_http_body(self._message) else None
        field = self._message.fields_by_name.get(body)
        if field is not None and http_body.is_http_body(field.message_type) and not field.is_repeated:
            return self._raw_field_reader(body)
        return None

    def _reader(self, body: str) -> _Reader:
        if not body:
            return self._read_nothing
        if body == WHOLE:
            return self._whole_reader()
        field = self._message.fields_by_name.get(body)
        if field is None:
            raise BindingError(f"{self._message.full_name} has no field {body!r}, which is to be the body")
        return self._field_reader(self._codecs.field(field, self._dialect))

    def _read_nothing(self, body: bytes, content_type: str) -> Any:
        del content_type
        if body:
            raise invalid("", "this request takes no body", reason="BODY_NOT_ALLOWED")
        return self._class()

    def _read_raw(self, body: bytes, content_type: str) -> Any:
        message = self._class()
        http_body.fill(message, body, content_type)
        return message

    def _raw_field_reader(self, name: str) -> _Reader:
        def read(body: bytes, content_type: str) -> Message:
            message: Message = self._class()
            http_body.fill(getattr(message, name), body, content_type)
            return message

        return read

    def _whole_reader(self) -> _Reader:
        codec = self._codecs.message(self._message, self._dialect)

        def read(body: bytes, content_type: str) -> Message:
            if not body:
                return codec.new()
            if content_type != _JSON:
                _check_json(content_type)
            try:
                return codec.decode(body)
            except JsonError as error:
                raise _bad_body(error) from None

        return read

    def _field_reader(self, codec: FieldCodec) -> _Reader:
        def read(body: bytes, content_type: str) -> Message:
            message: Message = self._class()
            if not body:
                return message
            if content_type != _JSON:
                _check_json(content_type)
            try:
                codec.decode_into(message, body)
            except JsonError as error:
                raise _bad_body(error) from None
            return message

        return read


def _bad_body(error: JsonError) -> Refused:
    return invalid(error.field, error.description, reason="INVALID_BODY", whole=BODY)


def _check_json(content_type: str) -> None:
    """Refuse a body that says it is something else than JSON in UTF-8; one that says nothing is taken for it."""
    if not content_type:
        return
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() == _JSON:
        name, _, value = parameters.partition("=")
        if name.strip().lower() != "charset" or value.strip().strip('"').lower() in _CHARSETS:
            return
    raise refused(
        Code.INVALID_ARGUMENT,
        "content-type: the body must be application/json in UTF-8",
        reason="UNSUPPORTED_MEDIA_TYPE",
        http_status=_UNSUPPORTED_MEDIA_TYPE,
    )
