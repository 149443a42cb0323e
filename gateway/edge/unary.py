"""Answers unary calls."""

from gateway.config import GatewayConfig
from gateway.core.codec import JsonError
from gateway.core.headers import OutwardHeaders
from gateway.core.reply import JSON_TYPE, Content
from gateway.core.route import Route
from gateway.edge.asgi import RawHeader
from gateway.edge.body import drain
from gateway.edge.compression import compressed, takes_gzip
from gateway.edge.exchange import Exchange
from gateway.edge.failure import failure
from gateway.edge.outbox import UNWRITABLE
from gateway.edge.upstream import Invocation, Outcome, UnaryReply, Upstream


class UnaryReplier:
    """Makes unary calls and writes their replies."""

    def __init__(self, *, upstream: Upstream, outward: OutwardHeaders, config: GatewayConfig) -> None:
        self._upstream = upstream
        self._outward = outward
        self._gzip_minimum = config.gzip_minimum
        self._body_limit = config.body_limit

    async def answer(self, exchange: Exchange, route: Route, invocation: Invocation) -> None:
        """Make the call and write its reply."""
        reply = await self._upstream.unary(invocation)
        if not exchange.is_body_taken:  # of a client stream: the service has made up its mind before the end
            exchange.must_close = not await drain(exchange, self._body_limit)
        outcome = reply.outcome
        headers: list[RawHeader] = []
        if outcome.initial or outcome.trailing:
            headers = self._outward.headers(outcome.initial, outcome.trailing)
        if outcome.code:
            await self._fail(exchange, route, outcome, headers)
            return
        content = _content(route, reply)
        if content is None:
            await exchange.fail(route.errors.write(UNWRITABLE), headers)
            return
        body = content.body
        if content.type is JSON_TYPE and len(body) > self._gzip_minimum:
            headers.append((b"vary", b"accept-encoding"))
            if takes_gzip(exchange.headers.get(b"accept-encoding", b"")):
                headers.append((b"content-encoding", b"gzip"))
                body = await compressed(body)
        headers.append((b"content-type", content.type))
        await exchange.reply(route.rule.success_status, headers, body)

    async def _fail(self, exchange: Exchange, route: Route, outcome: Outcome, headers: list[RawHeader]) -> None:
        await exchange.fail(route.errors.write(failure(outcome, route)), headers)


def _content(route: Route, reply: UnaryReply) -> Content | None:
    if route.reply is None:
        raise TypeError(f"{route.name} is a stream")
    try:
        return route.reply.write(reply.message)
    except JsonError:
        return None
