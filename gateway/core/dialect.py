"""The JSON habits of an API as its protos declare them: dialects, method rules, and the options of stream fields.

Everything here is frozen and hashable, read once at start; nothing here knows a route, a service or a message by name.
"""

import enum
from dataclasses import dataclass
from typing import Any, Self

from google.protobuf.descriptor import FieldDescriptor, FileDescriptor, MethodDescriptor, ServiceDescriptor

from gateway.core.options import option

_OPTIONS = "parley.options.v1."
DEFAULT_ERROR_BODY = '{"error": {"code": "$http", "message": "$message", "status": "$code", "details": "$details"}}'
DEFAULT_AUTHENTICATE_SCHEME = "Bearer"
DEFAULT_SUCCESS_STATUS = 200


class FieldNames(enum.IntEnum):
    """How field names are written in replies; the numbers are those of the option's enum."""

    CAMEL = 1
    SNAKE = 2


class Int64Form(enum.IntEnum):
    """How 64-bit integers are written in replies."""

    STRING = 1
    NUMBER = 2


class UnsetForm(enum.IntEnum):
    """What is written for a field without a value."""

    OMITTED = 1
    DEFAULT = 2
    NULL = 3


class StreamData(enum.IntEnum):
    """What the `data:` of a server-sent event holds."""

    MESSAGE = 1
    MEMBER = 2


class StreamFraming(enum.IntEnum):
    """Framing of a server stream when the caller's `Accept` names none."""

    SSE = 1
    NDJSON = 2


@dataclass(frozen=True, slots=True)
class Credential:
    """One documented way to present a credential."""

    name: str
    header: str
    description: str


@dataclass(frozen=True, slots=True)
class ErrorOverride:
    """An exception from the status table; empty `code` or `reason` match any, 0 and "" keep what the table says."""

    code: str
    reason: str
    http_status: int
    message: str


@dataclass(frozen=True, slots=True)
class ErrorFormat:
    """The shape of error replies: a JSON template, and exceptions from the status table (the first match wins)."""

    body: str = DEFAULT_ERROR_BODY
    overrides: tuple[ErrorOverride, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """The JSON habits of one API; the defaults are plain ProtoJSON."""

    field_names: FieldNames = FieldNames.CAMEL
    int64_form: Int64Form = Int64Form.STRING
    unset_form: UnsetForm = UnsetForm.OMITTED
    ignore_unknown_fields: bool = False
    errors: ErrorFormat = ErrorFormat()
    stream_data: StreamData = StreamData.MESSAGE
    authenticate_scheme: str = DEFAULT_AUTHENTICATE_SCHEME
    credentials: tuple[Credential, ...] = ()
    takes_exceptions: bool = True
    """Whether the `word` of an enum value and the `unset` form of a field count; no proto option, see `PROTO_JSON`."""

    def merged(self, declared: Any) -> Self:
        """Give this dialect with a `parley.options.v1.Dialect` message laid over it; None changes nothing.

        Set scalars replace. Lists append, but the nearer error overrides are asked first: an override that could not
        win over a farther one would be useless.
        """
        if declared is None:
            return self
        nearer_unknown = declared.ignore_unknown_fields if declared.HasField("ignore_unknown_fields") else None
        return type(self)(
            field_names=FieldNames(declared.field_names or self.field_names),
            int64_form=Int64Form(declared.int64_form or self.int64_form),
            unset_form=UnsetForm(declared.unset_form or self.unset_form),
            ignore_unknown_fields=self.ignore_unknown_fields if nearer_unknown is None else nearer_unknown,
            errors=ErrorFormat(
                body=declared.errors.body or self.errors.body,
                overrides=tuple(_override(each) for each in declared.errors.overrides) + self.errors.overrides,
            ),
            stream_data=StreamData(declared.stream_data or self.stream_data),
            authenticate_scheme=declared.authenticate_scheme or self.authenticate_scheme,
            credentials=self.credentials + tuple(_credential(each) for each in declared.credentials),
            takes_exceptions=self.takes_exceptions,
        )


PLAIN = Dialect()
PROTO_JSON = Dialect(ignore_unknown_fields=True, takes_exceptions=False)
"""What generated clients of other protocols speak: ProtoJSON without any habit that a proto file declares, forgiving
towards clients that are newer than the service."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a method declares beyond its HTTP binding.

    `scope` is None when none is declared (then `public` should be true; a build check says so, not the gateway, which
    also fronts foreign services). `timeout_seconds` is None when the gateway's own default applies.
    """

    scope: str | None = None
    public: bool = False
    audited: bool = False
    success_status: int = DEFAULT_SUCCESS_STATUS
    timeout_seconds: int | None = None
    framing: StreamFraming = StreamFraming.SSE
    stream_twin: tuple[str, str] | None = None
    """Name of the stream that answers on the method's routes, and of the field that asks for it; see `core.twin`."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """The server-sent event of a `oneof` member; after a `last` one the stream may end without an `end` event."""

    name: str
    last: bool = False


def dialect_of(descriptor: MethodDescriptor | ServiceDescriptor | FileDescriptor) -> Dialect:
    """Give the dialect of a method (or a service, or a file): what it declares, over its service, over its file."""
    match descriptor:
        case MethodDescriptor():
            outer = dialect_of(descriptor.containing_service)
            return outer.merged(option(descriptor, _OPTIONS + "method_dialect"))
        case ServiceDescriptor():
            return dialect_of(descriptor.file).merged(option(descriptor, _OPTIONS + "service_dialect"))
        case _:
            return PLAIN.merged(option(descriptor, _OPTIONS + "file_dialect"))


def rule_of(method: MethodDescriptor) -> Rule:
    """Give the declared rule of a method; a method without one gets the defaults."""
    declared = option(method, _OPTIONS + "rule")
    if declared is None:
        return Rule()
    return Rule(
        scope=declared.scope or None,
        public=declared.public,
        audited=declared.audited,
        success_status=declared.success_status or DEFAULT_SUCCESS_STATUS,
        timeout_seconds=declared.timeout_seconds or None,
        framing=StreamFraming(declared.framing or StreamFraming.SSE),
        stream_twin=_stream_twin(declared),
    )


def stream_event_of(field: FieldDescriptor) -> StreamEvent:
    """Give the event of a stream message's `oneof` member; without a declaration it bears the field's proto name."""
    declared = option(field, _OPTIONS + "stream_event")
    if declared is None:
        return StreamEvent(name=field.name)
    return StreamEvent(name=declared.name or field.name, last=declared.last)


def is_cursor(field: FieldDescriptor) -> bool:
    """Say whether the field is the `id` of an event (stream message) or is set by `Last-Event-ID` (request)."""
    return bool(option(field, _OPTIONS + "cursor"))


def is_last_piece(field: FieldDescriptor) -> bool:
    """Say whether the field is set in the last message of a client stream, and by the gateway alone."""
    return bool(option(field, _OPTIONS + "last_piece"))


def header_of(field: FieldDescriptor) -> str | None:
    """Give the request header that sets a field, in lower case; None for a field that no header sets."""
    name = option(field, _OPTIONS + "header")
    return name.lower() if name else None


def unset_form_of(field: FieldDescriptor) -> UnsetForm | None:
    """Give the field's own form when it has no value, or None when the dialect's applies."""
    number = option(field, _OPTIONS + "unset")
    return UnsetForm(number) if number else None


def _stream_twin(declared: Any) -> tuple[str, str] | None:
    # A foreign pool may have been made before there were twins.
    if "stream_twin" not in declared.DESCRIPTOR.fields_by_name or not declared.HasField("stream_twin"):
        return None
    return declared.stream_twin.method, declared.stream_twin.when


def _override(declared: Any) -> ErrorOverride:
    return ErrorOverride(declared.code, declared.reason, declared.http_status, declared.message)


def _credential(declared: Any) -> Credential:
    return Credential(declared.name, declared.header, declared.description)
