"""The ASGI application: from a request to its route, and from there to the call."""

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from gateway.config import GatewayConfig
from gateway.core.connect.faces import face_of
from gateway.core.dialect import PLAIN
from gateway.core.error_writer import ErrorReply
from gateway.core.framing import framing_for
from gateway.core.headers import InwardHeaders, OutwardHeaders, check_metadata, forwarded_for
from gateway.core.problem import Problem, Refused
from gateway.core.request import CURSOR_HEADER
from gateway.core.route import Errors, Route, RouteCompiler, routed
from gateway.core.router import Found
from gateway.core.timeouts import CONNECT_TIMEOUT, GRPC_TIMEOUT, seconds_asked
from gateway.edge import refusals
from gateway.edge.asgi import AsgiHandler, ClientGone, Receive, Scope, Send
from gateway.edge.body import drain, read_body
from gateway.edge.cors import Cors
from gateway.edge.exchange import Exchange
from gateway.edge.fixed_headers import FixedHeaders
from gateway.edge.health import Health
from gateway.edge.hosts import Hosts
from gateway.edge.streaming import StreamReplier, StreamTruncated
from gateway.edge.unary import UnaryReplier
from gateway.edge.upload import check_encoding, messages
from gateway.edge.upstream import Invocation, Upstream
from gateway.edge.upstream.limits import METADATA_LIMIT
from gateway.edge.watch import Cause, Watch

_LOGGER = logging.getLogger(__name__)
Page = Callable[[Exchange], Awaitable[None]]
_CURSOR = CURSOR_HEADER.lower().encode()
_GRPC_TIMEOUT = GRPC_TIMEOUT.encode()
_CONNECT_TIMEOUT = CONNECT_TIMEOUT.encode()
_UNROUTED = "unrouted"


class Observer(Protocol):
    """Hears of each exchange when it is over; for metrics."""

    def finished(self, route: str, method: str, status: int, seconds: float) -> None:
        """Take note. `route` is a template, a page or `unrouted`; status 0: the client left before a reply."""


class App:
    """Serves the routes of the compiled services, and the operator's pages, as one ASGI application.

    Pages come before routes. Errors are written in the dialect of the route; where there is none, in that of the route
    which shares the longest beginning of the path.
    """

    def __init__(
        self,
        *,
        routes: Sequence[Route],
        compiler: RouteCompiler,
        upstream: Upstream,
        config: GatewayConfig,
        extra: Mapping[str, AsgiHandler],
        observer: Observer | None,
    ) -> None:
        self.routes = tuple(routes)
        self.config = config
        self.fixed_headers = FixedHeaders(hsts_seconds=config.hsts_seconds)
        """On every reply, whoever makes it."""
        self._hosts = Hosts(config.allowed_hosts)
        self._router = routed(routes)
        self._plain_errors = compiler.error_writer(PLAIN)
        self._inward = InwardHeaders(
            config.inward_headers, size_limit=config.header_limit, count_limit=config.header_count
        )
        outward = OutwardHeaders(config.outward_headers)
        self._cors = Cors(
            config.cors_origins,
            inward=config.inward_headers,
            outward=config.outward_headers,
            max_age=config.cors_max_age,
        )
        self._unary = UnaryReplier(upstream=upstream, outward=outward, config=config)
        self._streams = StreamReplier(upstream=upstream, outward=outward, config=config)
        self._health = Health(upstream, timeout=config.health_timeout)
        self._observer = observer
        self._pages: dict[bytes, Page] = {b"/healthz": self._health.live, b"/readyz": self._health.ready}
        self._pages |= {path.encode(): _page(handler) for path, handler in extra.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            await self._serve(Exchange(scope, receive, send, self.fixed_headers))
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})

    def stop_readiness(self) -> None:
        """Answer `/readyz` with 503 from now on, so that no new work is sent here."""
        self._health.is_stopping = True

    def interrupt_streams(self) -> None:
        """End the streams under way with an error event that says that the gateway stops."""
        self._streams.interrupt(refusals.STOPPING)

    def error(self, raw_path: bytes, problem: Problem) -> ErrorReply:
        """Write a problem with a request that never became an exchange, in the dialect that its path suggests."""
        return self._errors_near(raw_path).write(problem)

    async def _serve(self, exchange: Exchange) -> None:
        started = time.perf_counter()
        page = self._pages.get(exchange.path)
        found = None if page is not None else self._router.find(exchange.method, exchange.path)
        try:
            self._receive_head(exchange)
            if found is not None and found.target.faces:
                found = Found(face_of(found.target, found.target.faces, exchange.headers), found.captures)
            if page is not None:
                await page(exchange)
            elif found is not None:
                await self._call(exchange, found)
            else:
                await self._unrouted(exchange)
        except Refused as refusal:
            await self._refuse(exchange, found, refusal.problem)
        except ClientGone:
            pass
        except Exception as error:
            if exchange.status or isinstance(error, StreamTruncated):
                raise  # a reply is under way: closing the connection is all that is left to say
            _log(error)
            await self._refuse(exchange, found, refusals.BROKEN)
        finally:
            if self._observer is not None:
                name = exchange.path.decode() if page is not None else found.target.name if found else _UNROUTED
                self._observer.finished(name, exchange.method, exchange.status, time.perf_counter() - started)

    def _receive_head(self, exchange: Exchange) -> None:
        try:
            headers = self._inward.read(exchange.scope["headers"])
        except Refused:
            exchange.identify({})
            raise
        exchange.identify(headers)
        if self._cors.is_on:
            exchange.added = self._cors.reply_headers(headers.get(b"origin"))
        if not self._hosts.is_open:
            self._hosts.check(headers.get(b"host"), exchange.scope["http_version"])
        if len(exchange.path) + len(exchange.query) > self.config.target_limit:
            raise refusals.target_too_long(self.config.target_limit)

    async def _call(self, exchange: Exchange, found: Found[Route]) -> None:
        """Make the call of a route; watched from the body on, for a unary one to its end."""
        config = self.config
        watch = Watch(exchange.receive, after=config.watch_after, body_timeout=config.body_timeout)
        try:
            route, invocation = await self._invocation(exchange, found, watch)
            if route.reply is not None:
                await self._unary.answer(exchange, route, invocation)
                return
        except asyncio.CancelledError:
            cause = watch.caught()
            if cause is None:
                raise self._cancelled() from None
            if cause is Cause.SLOW_BODY:
                raise refusals.body_too_slow() from None
            return
        finally:
            watch.close()
        await self._stream(exchange, route, invocation)

    def _cancelled(self) -> BaseException:
        """Give what a cancellation from outside becomes: a reply that says so when the server stops."""
        task = asyncio.current_task()
        if task is None or not self._health.is_stopping:
            return asyncio.CancelledError()
        task.uncancel()
        return Refused(refusals.STOPPING)

    async def _invocation(self, exchange: Exchange, found: Found[Route], watch: Watch) -> tuple[Route, Invocation]:
        """Give the call that a request asks for, and the route that answers it."""
        route, headers = found.target, exchange.headers
        timeout = self._timeout(route, headers)
        metadata = self._inward.metadata(headers, exchange.request_id)
        client = exchange.scope.get("client")
        if client is not None and self.config.forwards_clients:
            metadata = (*metadata, forwarded_for(exchange.scope["headers"], client[0]))
        check_metadata(metadata, METADATA_LIMIT)
        content_type = headers.get(b"content-type", b"")
        if route.piece is None:
            body = await read_body(exchange, self.config.body_limit)
            watch.body_arrived()
        else:
            check_encoding(exchange)
            watch.rest()
            body = b""
        message = route.request.build(
            captures=found.captures, query=exchange.query, body=body, content_type=content_type.decode("latin-1")
        )
        if not exchange.is_head:  # its reply is as if nothing but the whole had been asked for
            route.request.take_headers(message, headers)
        if route.piece is not None:
            message = messages(exchange, message, route.piece, watch)
        elif route.twin is not None and (answering := route.answering(message)) is not route:
            route, timeout = answering, self._timeout(answering, headers)
        return route, Invocation(route.method, message, metadata, timeout, client)

    async def _stream(self, exchange: Exchange, route: Route, invocation: Invocation) -> None:
        # Empty is what clients without a last event may send: the standard has them leave it out.
        last_event_id = exchange.headers.get(_CURSOR)
        if last_event_id:
            route.request.resume(invocation.request, last_event_id.decode("latin-1"))
        accept = exchange.headers.get(b"accept", b"").decode("latin-1")
        framing = route.framing or framing_for(accept, route.rule.framing)
        if exchange.is_head:
            await self._streams.answer_head(exchange, route, invocation, framing)
        else:
            await self._streams.answer(exchange, route, invocation, framing)

    def _timeout(self, route: Route, headers: dict[bytes, bytes]) -> float | None:
        """Give the deadline: the caller's up to the cap, else the method's, else the gateway's own for its kind."""
        asked = seconds_asked(headers.get(_GRPC_TIMEOUT), headers.get(_CONNECT_TIMEOUT))
        if asked is not None:
            return min(asked, self.config.timeout_cap)
        if route.rule.timeout_seconds is not None:
            return route.rule.timeout_seconds
        return None if route.reply is None else self.config.unary_timeout

    async def _unrouted(self, exchange: Exchange) -> None:
        methods = self._router.methods(exchange.path)
        if not methods:
            raise refusals.not_found()
        if exchange.method == "OPTIONS" and self._cors.is_on:
            is_preflight = b"access-control-request-method" in exchange.headers and exchange.added
            headers = self._cors.preflight_headers(methods) if is_preflight else []
            await exchange.reply(204, [(b"allow", ", ".join(methods).encode()), *headers], b"")
            return
        raise refusals.method_not_allowed(methods)

    async def _refuse(self, exchange: Exchange, found: Found[Route] | None, problem: Problem) -> None:
        errors = found.target.errors if found is not None else self._errors_near(exchange.path)
        exchange.must_close = not await drain(exchange, self.config.body_limit)
        await exchange.fail(errors.write(problem))

    def _errors_near(self, raw_path: bytes) -> Errors:
        nearest = self._router.nearest(raw_path)
        return self._plain_errors if nearest is None else nearest.errors


def _log(error: Exception) -> None:
    """Log where an error comes from, without its text: that may hold the caller's content."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    _LOGGER.error("Unexpected %s in the gateway\n%s", type(error).__name__, frames)


def _page(handler: AsgiHandler) -> Page:
    async def page(exchange: Exchange) -> None:
        await handler(exchange.scope, exchange.receive, exchange.forward)

    return page


async def _live(receive: Receive, send: Send) -> None:
    """Follow the server's life without taking part in it."""
    while True:
        event: Any = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
