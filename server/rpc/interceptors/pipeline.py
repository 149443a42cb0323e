"""The way of every call to its servicer: request id, record, errors, credential, limits, scope, validation, deadline.

One interceptor does it all, for two reasons: it works alike on a grpc.aio server and on anything else that offers
handlers the same way, and a chain of interceptors would cost more than all of their work.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final, Never, TypeAlias

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from grpc_status import rpc_status  # type: ignore[import-untyped]  # ships no stubs

from server.address import Network
from server.domain.errors import ScopeMissing
from server.domain.identity_errors import PersonNeeded
from server.domain.limit_errors import LimitReached
from server.domain.principal import Principal, RequestKey
from server.ports.system import Clock, Ids
from server.rpc import status
from server.rpc.interceptors import metadata
from server.rpc.interceptors.call import Call, enter
from server.rpc.interceptors.door import Door
from server.rpc.interceptors.peers import Peers
from server.rpc.interceptors.record import CallRecord, Journal
from server.rpc.interceptors.requests import Requests
from server.rpc.interceptors.rules import Rule, rules
from server.rpc.interceptors.validation import Validation, forgiving
from server.rpc.metrics import MethodMetrics, Metrics

OPEN_SERVICES: Final = ("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection")
"""Services that are nobody's secret: their calls pass untouched and unrecorded."""

# The wire types of a handler are its method's; the pipeline treats all methods alike.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Found: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
UnaryBehavior = Callable[[Any, Context], Awaitable[Any]]
StreamBehavior = Callable[[Any, Context], AsyncGenerator[Any, None]]


@dataclass(frozen=True, slots=True)
class _Method:
    rule: Rule
    metrics: MethodMetrics


class Pipeline(grpc.aio.ServerInterceptor):
    """Wraps each method's handler once, at its first call. Must be the last interceptor of its server."""

    def __init__(
        self,
        *,
        services: Iterable[ServiceDescriptor],
        door: Door,
        clock: Clock,
        ids: Ids,
        metrics: Metrics,
        unary_seconds: float | None = None,
        open_services: Collection[str] = OPEN_SERVICES,
        trusted_proxies: Iterable[Network] = (),
    ) -> None:
        """`unary_seconds` bounds unary calls whose method declares no bound of its own; `None`: the caller's deadline
        alone counts. `trusted_proxies` are believed in whom they call for. Raises `RuleMissing` when a method of
        `services` declares nothing about its callers."""
        self._methods = {rule.path: _Method(rule, metrics.method(rule.name)) for rule in rules(services)}
        self._validation = Validation({method.rule.request for method in self._methods.values()})
        self._door = door
        self._metrics = metrics
        self._peers = Peers(trusted_proxies)
        self._ids = ids
        self._journal = Journal(clock)
        self._unary_seconds = unary_seconds
        self._open = tuple(f"/{service}/" for service in open_services)
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Found]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Found:
        """The wrapped handler of the method; `None`, which is UNIMPLEMENTED, when nobody serves it."""
        path = handler_call_details.method
        wrapped = self._wrapped.get(path)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            wrapped = None if handler is None else self._wrap(path, handler)
            if wrapped is not None:
                self._wrapped[path] = wrapped
        return wrapped

    def _wrap(self, path: str, handler: Handler) -> Found:
        """The handler behind everything the pipeline does; `None` for a method without a rule."""
        if path.startswith(self._open):
            return handler
        method = self._methods.get(path)
        if method is None:
            self._journal.log.error("a method without a rule is not served", method=path)
            return None
        make: Callable[..., Any]
        behavior: Callable[[Any, Context], Any]
        if handler.request_streaming:
            make, behavior = grpc.stream_unary_rpc_method_handler, self._upload(method, _behavior(handler.stream_unary))
        elif handler.response_streaming:
            make, behavior = grpc.unary_stream_rpc_method_handler, self._stream(method, _behavior(handler.unary_stream))
        else:
            make, behavior = grpc.unary_unary_rpc_method_handler, self._unary(method, _behavior(handler.unary_unary))
        deserialize = handler.request_deserializer
        wrapped: Handler = make(
            behavior,
            request_deserializer=forgiving(deserialize) if deserialize else None,
            response_serializer=handler.response_serializer,
        )
        return wrapped

    def _unary(self, method: _Method, behavior: UnaryBehavior) -> UnaryBehavior:
        return self._answering(method, behavior, self._admit)

    def _upload(self, method: _Method, behavior: UnaryBehavior) -> UnaryBehavior:
        """As `_unary` for a stream of requests, of which the first one lets the call in."""

        async def admit(
            method: _Method, headers: metadata.Headers, record: CallRecord, requests: Requests, context: Context
        ) -> Principal | None:
            return await self._admit(method, headers, record, await requests.first(), context)

        serve = self._answering(method, behavior, admit)

        async def serve_stream(requests: Any, context: Context) -> Any:
            return await serve(Requests(requests), context)

        return serve_stream

    def _answering(
        self, method: _Method, behavior: UnaryBehavior, admit: Callable[..., Awaitable[Principal | None]]
    ) -> UnaryBehavior:
        seconds = method.rule.timeout_seconds or self._unary_seconds
        bounded = behavior if seconds is None else _bounded(behavior, seconds)

        async def serve(request: Any, context: Context) -> Any:
            headers, record = self._begin(method, context)
            try:
                await admit(method, headers, record, request, context)
                await _greet(method, record, context)
                reply = await bounded(request, context)
            except asyncio.CancelledError:
                record.end(grpc.StatusCode.CANCELLED)
                raise
            except grpc.aio.AbortError:
                record.end(context.code())
                raise
            except Exception as error:  # noqa: BLE001 - the transport boundary: every error gets its status here
                await self._refuse(record, error, context)
            record.end(grpc.StatusCode.OK)
            return reply

        return serve

    def _stream(self, method: _Method, behavior: StreamBehavior) -> StreamBehavior:
        async def serve(request: Any, context: Context) -> AsyncGenerator[Any, None]:
            headers, record = self._begin(method, context)
            leave: Callable[[], None] | None = None
            try:
                principal = await self._admit(method, headers, record, request, context)
                leave = None if principal is None else self._place(principal, context)
                await _greet(method, record, context)
                async with aclosing(behavior(request, context)) as replies:
                    async for reply in replies:
                        yield reply
            except (asyncio.CancelledError, GeneratorExit):
                record.end(grpc.StatusCode.CANCELLED)
                raise
            except grpc.aio.AbortError:
                record.end(context.code())
                raise
            except Exception as error:  # noqa: BLE001 - the transport boundary, as above
                await self._refuse(record, error, context)
            finally:
                if leave is not None:
                    leave()
            record.end(grpc.StatusCode.OK)

        return serve

    def _begin(self, method: _Method, context: Context) -> tuple[metadata.Headers, CallRecord]:
        headers = metadata.read(context.invocation_metadata() or ())
        request_id = headers.request_id or self._ids.uuid().hex
        return headers, CallRecord(self._journal, method.rule.name, method.metrics, request_id)

    async def _admit(
        self, method: _Method, headers: metadata.Headers, record: CallRecord, request: Any, context: Context
    ) -> Principal | None:
        """Let the call in: recognise and count the caller, check scope and request, in this order."""
        if headers.fields > metadata.MOST_FIELDS:
            raise status.HeadersTooMany
        address = self._peers.address(context.peer(), headers.forwarded)
        principal = None
        scope = method.rule.scope
        if scope is not None:
            principal = await self._door.enter(headers, address, record.greeting)
            record.principal = principal
            if not principal.has_scope(scope):
                raise ScopeMissing(scope)
            if method.rule.needs_person and not principal.is_person:
                raise PersonNeeded
        self._validation.check(request)
        if principal is not None and (method.rule.writes or method.rule.is_audited):
            is_repeatable = method.rule.writes and bool(headers.keys)
            principal = replace(
                principal,
                request_key=_request_key(method.rule, headers, request) if is_repeatable else None,
                request_id=record.request_id,
                write="" if method.rule.is_audited else method.rule.name,
            )
        enter(Call(record.greeting, principal, address))
        return principal

    def _place(self, principal: Principal, context: Context) -> Callable[[], None]:
        """Count a stream as open; gives what is to be called when it is over. It is called at the end of the call too,
        whatever becomes of the generator: that of a call which is cancelled while it sends is closed by nobody."""
        leave = self._door.take_place(principal)
        context.add_done_callback(lambda _: leave())  # type: ignore[arg-type]  # any callable will do
        return leave

    async def _refuse(self, record: CallRecord, error: Exception, context: Context) -> Never:
        if not status.is_expected(error):
            record.fault(error)
        if record.principal is not None:
            await self._door.account_refusal(record.principal, record.method, error, request_id=record.request_id)
        limit = error.kind if isinstance(error, LimitReached) else None
        if limit is not None:
            self._metrics.limited(limit)
        record.end(status.code_of(error), status.reason_of(error), limit)
        rich = status.status_of(error, request_id=record.request_id)
        await record.greeting.send(context)
        await context.abort_with_status(rpc_status.to_status(rich))


async def _greet(method: _Method, record: CallRecord, context: Context) -> None:
    """Tell the caller the request id and the limits, before anything else is said."""
    if not method.rule.is_raw:
        await record.greeting.send(context)


def _request_key(rule: Rule, headers: metadata.Headers, request: Message) -> RequestKey | None:
    """The mark of a write: the caller's key, and a digest of method and request that is equal for equal ones."""
    key = headers.idempotency_key()
    if key is None:
        return None
    digest = hashlib.sha256(rule.path.encode())
    digest.update(request.SerializeToString(deterministic=True))
    return RequestKey(key, digest.hexdigest())


def _behavior(found: Any) -> Any:
    if found is None:
        raise TypeError("a handler must serve one request, unary or streaming its answer")
    return found


def _bounded(behavior: UnaryBehavior, seconds: float) -> UnaryBehavior:
    """The behaviour, ended with `DeadlinePassed` after that long. A nearer deadline of the caller is the transport's to
    keep, and spares the timer, which costs as much as half the pipeline."""

    async def serve(request: Any, context: Context) -> Any:
        remaining: float | None = context.time_remaining()
        if remaining is not None and remaining <= seconds:
            return await behavior(request, context)
        try:
            async with asyncio.timeout(seconds) as bound:
                return await behavior(request, context)
        except TimeoutError as error:
            if bound.expired():
                raise status.DeadlinePassed from error
            raise

    return serve
