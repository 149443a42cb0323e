"""Compiles the HTTP face of services from their descriptors: one frozen plan per binding, made at start."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from gateway.core.codec import Codecs
from gateway.core.connect.errors import ConnectErrorWriter, ConnectStreamErrorWriter
from gateway.core.connect.faces import (
    ConnectEventPlan,
    ConnectReplyPlan,
    Encode,
    binary_encoder,
    connect_framing,
    json_encoder,
)
from gateway.core.connect.protocol import STREAM_BINARY, STREAM_JSON, UNARY_BINARY, UNARY_JSON
from gateway.core.connect.requests import ConnectRequestPlan, Decode, binary_decoder, json_decoder
from gateway.core.dialect import Dialect, Rule, dialect_of, rule_of
from gateway.core.error_writer import DetailWriter, ErrorFormatError, ErrorReply, ErrorWriter
from gateway.core.framing import EventPlan, Frame, Framing
from gateway.core.http_rule import HttpBinding, RuleError, declared_bindings, default_binding, rpc_path
from gateway.core.method import Method
from gateway.core.path_binding import BindingError
from gateway.core.problem import Problem
from gateway.core.reply import Content, ReplyPlan
from gateway.core.request import RequestPlan
from gateway.core.router import DuplicateRoute, Router
from gateway.core.twin import Twin, twin_of

_OK = 200


class UnknownService(ValueError):
    """A service that the descriptors do not have; raised at start only."""


class Requests(Protocol):
    """Makes request messages; every method raises `Refused` for what is not understood."""

    def build(self, *, captures: tuple[bytes, ...], query: bytes, body: bytes, content_type: str) -> Any:
        """Give the request message."""

    def take_headers(self, message: Any, headers: Mapping[bytes, bytes]) -> None:
        """Set the fields that headers set, unless the caller has set them otherwise."""

    def resume(self, message: Any, last_event_id: str) -> None:
        """Set the cursor field from `Last-Event-ID`, unless the caller has set it otherwise."""


class Replies(Protocol):
    """Writes unary replies."""

    def write(self, reply: Any) -> Content:
        """Give the content of a reply; raises `JsonError` for a message that has no JSON form."""


class Events(Protocol):
    """Writes the messages of a stream."""

    @property
    def is_raw(self) -> bool:
        """Whether the stream is the bytes of its `HttpBody` messages, without any framing."""

    def raw_type(self, message: Any) -> bytes:
        """Give the content type of a raw stream, from its first message."""

    def frame(self, framing: Framing) -> Frame:
        """Give the function that makes events in this framing."""


class Errors(Protocol):
    """Writes problems."""

    def write(self, problem: Problem) -> ErrorReply:
        """Give the reply that tells of the problem."""


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One binding of one method, with all that serving it takes. Exactly one of `reply` and `events` is there."""

    binding: HttpBinding
    descriptor: MethodDescriptor
    method: Method
    dialect: Dialect
    rule: Rule
    request: Requests
    errors: Errors
    reply: Replies | None
    events: Events | None
    framing: Framing | None = None
    """The punctuation of its streams; None: what `Accept` asks for."""
    faces: Mapping[str, "Route"] = field(default_factory=dict)
    """What a Connect client sees instead, by content type; only on a method's own path."""
    piece: Callable[[bytes, bool], Any] | None = None
    """Makes the messages of a client stream behind its first: a piece of the body, and whether it is the last. None:
    the method takes one message."""
    twin: "TwinRoute | None" = None
    """The stream that answers instead when the request asks for it."""

    @property
    def name(self) -> str:
        """The route as metrics and logs name it: without what a caller has put into it."""
        return f"{self.binding.http_method} {self.binding.template.text}"

    def answering(self, request: Any) -> "Route":
        """The route that answers a request of this one: itself, or its twin."""
        return self if self.twin is None or not self.twin.declared.is_asked_for(request) else self.twin.route


@dataclass(frozen=True, slots=True, eq=False)
class TwinRoute:
    """A stream on the route of a unary method."""

    declared: Twin
    route: Route


class RouteCompiler:
    """Makes the routes of services of one pool."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool
        self._codecs = Codecs(pool)
        self._details = DetailWriter(pool, self._codecs)
        self._writers: dict[Dialect, ErrorWriter] = {}

    def routes(self, services: Sequence[str]) -> list[Route]:
        """Give the routes of the services, in order of declaration.

        Raises `UnknownService`, or `RuleError` for a binding that cannot be served.
        """
        return [route for service in services for route in self._of_service(service)]

    def error_writer(self, dialect: Dialect) -> ErrorWriter:
        """Give the writer of a dialect's errors."""
        if dialect not in self._writers:
            self._writers[dialect] = ErrorWriter(dialect, self._details)
        return self._writers[dialect]

    def _of_service(self, name: str) -> Iterator[Route]:
        try:
            service = self._pool.FindServiceByName(name)
        except KeyError:
            raise UnknownService(f"the descriptors have no service {name!r}") from None
        for method in service.methods:
            for binding in declared_bindings(method):
                yield self._declared_route(method, binding)
            if not method.client_streaming:
                yield self._own_path(method)

    def _declared_route(self, method: MethodDescriptor, binding: HttpBinding) -> Route:
        route = self._route(method, binding)
        twin = twin_of(method, route.rule)
        if twin is None:
            return route
        return replace(route, twin=TwinRoute(twin, self._route(twin.stream, replace(binding, response_body=""))))

    def _own_path(self, method: MethodDescriptor) -> Route:
        """Give the route that each method has besides its declared ones, with its Connect faces."""
        route = self._route(method, default_binding(method))
        if method.server_streaming:
            return replace(route, faces={kind: self._stream_face(route, kind) for kind in (STREAM_JSON, STREAM_BINARY)})
        route = replace(route, errors=ConnectErrorWriter(authenticate_scheme=route.dialect.authenticate_scheme))
        return replace(route, faces={kind: self._unary_face(route, kind) for kind in (UNARY_JSON, UNARY_BINARY)})

    def _unary_face(self, route: Route, kind: str) -> Route:
        decode, encode = self._connect_codec(route.descriptor, is_binary=kind == UNARY_BINARY)
        return replace(
            route,
            rule=replace(route.rule, success_status=_OK),
            request=ConnectRequestPlan(decode, is_enveloped=False),
            reply=ConnectReplyPlan(encode, kind),
        )

    def _stream_face(self, route: Route, kind: str) -> Route:
        decode, encode = self._connect_codec(route.descriptor, is_binary=kind == STREAM_BINARY)
        return replace(
            route,
            rule=replace(route.rule, success_status=_OK),
            request=ConnectRequestPlan(decode, is_enveloped=True),
            events=ConnectEventPlan(encode),
            errors=ConnectStreamErrorWriter(kind),
            framing=connect_framing(kind),
        )

    def _connect_codec(self, method: MethodDescriptor, *, is_binary: bool) -> tuple[Decode, Encode]:
        if is_binary:
            return binary_decoder(method.input_type), binary_encoder
        return json_decoder(method.input_type, self._codecs), json_encoder(method.output_type, self._codecs)

    def _route(self, method: MethodDescriptor, binding: HttpBinding) -> Route:
        dialect = dialect_of(method)
        request, response = method.input_type, method.output_type
        try:
            plan = RequestPlan(request, binding, self._codecs, dialect)
            reply = (
                None if method.server_streaming else ReplyPlan(response, binding.response_body, self._codecs, dialect)
            )
            piece = plan.pieces() if method.client_streaming else None
            errors = self.error_writer(dialect)
        except (BindingError, ErrorFormatError) as error:
            raise RuleError(f"{method.full_name}: {error}") from None
        if method.server_streaming and binding.response_body:
            raise RuleError(f"{method.full_name}: a server stream cannot have a response_body")
        return Route(
            binding=binding,
            descriptor=method,
            method=Method(
                rpc_path(method), GetMessageClass(request), GetMessageClass(response), method.client_streaming
            ),
            dialect=dialect,
            rule=rule_of(method),
            request=plan,
            errors=errors,
            reply=reply,
            events=EventPlan(response, self._codecs, dialect) if method.server_streaming else None,
            piece=piece,
        )


def routed(routes: Sequence[Route]) -> Router[Route]:
    """Give the router of the routes; raises `RuleError` when two of them match the same requests."""
    router: Router[Route] = Router()
    for route in routes:
        try:
            router.add(route.binding.http_method, route.binding.template, route)
        except DuplicateRoute as error:
            raise RuleError(f"{route.descriptor.full_name}: {error}") from None
    return router
