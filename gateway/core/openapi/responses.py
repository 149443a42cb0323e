"""The responses of an operation: its success by the method's rule, and the ways in which it can fail."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from gateway.core.dialect import Dialect, Rule, dialect_of, header_of, rule_of
from gateway.core.http_body import is_http_body
from gateway.core.openapi.error_body import error_schema
from gateway.core.openapi.members import is_message, message_of
from gateway.core.openapi.names import keep
from gateway.core.openapi.schemas import SchemaBook
from gateway.core.openapi.streams import STREAM_MARK, stream_content
from gateway.core.openapi.well_known import is_wrapper
from gateway.core.openapi.wire import Schema, Wire, nullable
from gateway.core.status import Code, http_status
from gateway.core.twin import twin_of

JSON = "application/json"
ANY_MEDIA = "*/*"
_REQUEST_ID = {
    "X-Request-Id": {
        "description": "Names the call in the server's log: the request's own id, or one that was made for it.",
        "schema": {"type": "string"},
    }
}
_RETRY = {"Retry-After": {"description": "Seconds to wait before another try.", "schema": {"type": "integer"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "The scheme to authenticate with.", "schema": {"type": "string"}}}
_HEADERS = {429: _RETRY, 503: _RETRY, 401: _CHALLENGE}

# What only a caller who cancelled would see, or a server without the method.
_NEVER_SEEN = frozenset({Code.OK, Code.CANCELLED, Code.UNIMPLEMENTED})
_BODILESS = frozenset({204, 205, 304})
_OF_GATEWAY = {413: "The body is too large.", 415: "The body has a content type that is not accepted."}


@dataclass(slots=True)
class ResponseBook:
    """Collects the error responses, which operations of one dialect share."""

    schemas: SchemaBook
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)

    def responses(self, method: MethodDescriptor, dialect: Dialect, rule: Rule, *, reply: str, has_body: bool) -> Any:
        """Give the `responses` of a method by status; `reply` is the binding's `response_body`, "" for the whole."""
        error = self._error_schema(method, dialect)
        success = self._success(method, dialect, rule, reply=reply, error=error)
        failures = self._failures(method, dialect, rule, error, has_body=has_body)
        part = {"206": {**success, "description": _PART}} if any(map(header_of, method.input_type.fields)) else {}
        return {str(rule.success_status): success, **part, **failures}

    def _error_schema(self, method: MethodDescriptor, dialect: Dialect) -> Schema:
        package = method.containing_service.file.package
        return self.schemas.named(f"{package}.Error".removeprefix("."), error_schema(dialect.errors))

    def _success(
        self, method: MethodDescriptor, dialect: Dialect, rule: Rule, *, reply: str, error: Schema
    ) -> dict[str, Any]:
        message = method.output_type
        described = message.fields_by_name[reply] if reply else None
        response: dict[str, Any] = {"description": "Success.", "headers": _REQUEST_ID}
        if rule.success_status in _BODILESS:
            return response
        if is_http_body(described.message_type if described is not None else message):
            return {**response, "description": "Whatever the method returns.", "content": {ANY_MEDIA: {}}}
        if method.server_streaming:
            content = stream_content(message, dialect, rule.framing, self.schemas, error)
            return {**response, "description": _STREAM, "content": content, STREAM_MARK: True}
        content = {JSON: {"schema": self._reply(message, described, Wire.sent(dialect))}}
        twin = twin_of(method, rule)
        if twin is None:
            return {**response, "content": content}
        return {
            **response,
            "description": _TWIN.format(when=Wire.received(dialect).name(method.input_type.fields_by_name[twin.when])),
            "content": {**content, **self._stream_of(twin.stream)},
        }

    def _stream_of(self, stream: MethodDescriptor) -> dict[str, Any]:
        dialect, rule = dialect_of(stream), rule_of(stream)
        error = self._error_schema(stream, dialect)
        return stream_content(stream.output_type, dialect, rule.framing, self.schemas, error)

    def _reply(self, message: Descriptor, described: FieldDescriptor | None, wire: Wire) -> Schema:
        """Give the schema of a whole message, or of one field of it.

        An unset field with presence is null. That is said of scalars and wrappers only: a reply whose body is a message
        succeeds by having it, and a client should not have to doubt that.
        """
        if described is None:
            return self.schemas.message(message, wire)
        schema = self.schemas.field(described, wire)
        is_optional = described.has_presence and (not is_message(described) or is_wrapper(message_of(described)))
        return nullable(schema) if is_optional else schema

    def _failures(
        self, method: MethodDescriptor, dialect: Dialect, rule: Rule, error: Schema, *, has_body: bool
    ) -> dict[str, Schema]:
        causes: dict[int, list[str]] = defaultdict(list)
        for status, cause in _causes(dialect, rule):
            causes[status].append(f"`{cause}`")
        if has_body:
            for status, text in _OF_GATEWAY.items():
                causes[status].insert(0, text)
        package = method.containing_service.file.package
        failures = {
            str(status): self._refer(f"{package}.{_name(status)}", _failure(status, texts, error))
            for status, texts in sorted(causes.items())
        }
        return {**failures, "default": self._refer(f"{package}.OtherError", _failure(None, [], error))}

    def _refer(self, name: str, response: dict[str, Any]) -> Schema:
        return {"$ref": "#/components/responses/" + keep(self.kept, name.removeprefix("."), response)}


_PART = "A part of what the method returns, as the request asks for."
_TWIN = (
    "Success: one reply, or, where `{when}` is true, a stream of messages as `Accept` asks: server-sent events, or one "
    "JSON value a line. The schema of a stream is that of one event (or line); the `data` of an event is JSON."
)
_STREAM = (
    "A stream of messages, as `Accept` asks: server-sent events, or one JSON value a line. A failure before the first "
    "message is an ordinary error response, a later one is the last event (or line). The schema is that of one event "
    "(or line); the `data` of an event is JSON."
)


def _causes(dialect: Dialect, rule: Rule) -> Iterator[tuple[int, str]]:
    """Give each status that a call can fail with, with the gRPC code or the reason that leads to it."""
    # A method that needs no credential may still refuse somebody, by a signature, say.
    never = _NEVER_SEEN | {Code.UNAUTHENTICATED} if rule.public else _NEVER_SEEN
    codes = [code for code in Code if code not in never]
    for override in dialect.errors.overrides:
        if override.reason and override.http_status:
            yield override.http_status, override.reason
    for code in codes:
        yield _status(code, dialect), code.name


def _status(code: Code, dialect: Dialect) -> int:
    """Give the status of a code without a reason: the first exception that applies, else the table."""
    general = (each for each in dialect.errors.overrides if each.code in {"", code.name} and not each.reason)
    override = next(general, None)
    return (override.http_status if override is not None else 0) or http_status(code, "")


def _failure(status: int | None, texts: list[str], error: Schema) -> dict[str, Any]:
    phrase = "Any other failure" if status is None else _phrase(status)
    return {
        "description": f"{phrase}: {', '.join(texts)}" if texts else f"{phrase}.",
        "headers": {**_REQUEST_ID, **_HEADERS.get(status or 0, {})},
        "content": {JSON: {"schema": error}},
    }


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if _is_registered(status) else f"Status {status}"


def _name(status: int) -> str:
    """Give the phrase as a name: `NotFound`, `ImATeapot`, `Status499`."""
    words = HTTPStatus(status).name if _is_registered(status) else f"status{status}"
    return "".join(word.capitalize() for word in words.split("_"))


def _is_registered(status: int) -> bool:
    return any(status == each.value for each in HTTPStatus)
