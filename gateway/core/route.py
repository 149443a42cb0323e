"""Compiles the HTTP face of services from their descriptors: one frozen plan per binding, made at start."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from gateway.core.codec import Codecs
from gateway.core.dialect import Dialect, Rule, dialect_of, rule_of
from gateway.core.error_writer import DetailWriter, ErrorFormatError, ErrorWriter
from gateway.core.framing import EventPlan
from gateway.core.http_rule import HttpBinding, RuleError, declared_bindings, default_binding, rpc_path
from gateway.core.method import Method
from gateway.core.path_binding import BindingError
from gateway.core.reply import ReplyPlan
from gateway.core.request import RequestPlan
from gateway.core.router import DuplicateRoute, Router


class UnknownService(ValueError):
    """A service that the descriptors do not have; raised at start only."""


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One binding of one method, with all that serving it takes. Exactly one of `reply` and `events` is there."""

    binding: HttpBinding
    descriptor: MethodDescriptor
    method: Method
    dialect: Dialect
    rule: Rule
    request: RequestPlan
    errors: ErrorWriter
    reply: ReplyPlan | None
    events: EventPlan | None
    is_declared: bool
    """Whether the protos declare it, rather than every method having it."""

    @property
    def name(self) -> str:
        """The route as metrics and logs name it: without what a caller has put into it."""
        return f"{self.binding.http_method} {self.binding.template.text}"


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
            bindings = declared_bindings(method)
            if not method.client_streaming:
                for binding in (*bindings, default_binding(method)):
                    yield self._route(method, binding, is_declared=binding in bindings)

    def _route(self, method: MethodDescriptor, binding: HttpBinding, *, is_declared: bool) -> Route:
        dialect = dialect_of(method)
        request, response = method.input_type, method.output_type
        try:
            plan = RequestPlan(request, binding, self._codecs, dialect)
            reply = (
                None if method.server_streaming else ReplyPlan(response, binding.response_body, self._codecs, dialect)
            )
            errors = self.error_writer(dialect)
        except (BindingError, ErrorFormatError) as error:
            raise RuleError(f"{method.full_name}: {error}") from None
        if method.server_streaming and binding.response_body:
            raise RuleError(f"{method.full_name}: a server stream cannot have a response_body")
        return Route(
            binding=binding,
            descriptor=method,
            method=Method(rpc_path(method), GetMessageClass(request), GetMessageClass(response)),
            dialect=dialect,
            rule=rule_of(method),
            request=plan,
            errors=errors,
            reply=reply,
            events=EventPlan(response, self._codecs, dialect) if method.server_streaming else None,
            is_declared=is_declared,
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
