"""`/healthz`: the process is up. `/readyz`: the service behind the gateway says that it serves."""

import orjson

from gateway.core.metadata import Metadata, Metadatum
from gateway.core.method import Method
from gateway.edge.exchange import Exchange
from gateway.edge.upstream import Invocation, Upstream

# The standard health service in its wire form, so that no message class of it is needed: an empty request asks for the
# server as a whole, a reply has its status as field 1, and 1 is SERVING.
_CHECK = Method("/grpc.health.v1.Health/Check")
_WHOLE_SERVER = b""
_SERVING = b"\x08\x01"
_UNIMPLEMENTED = 12
_JSON_HEADER = (b"content-type", b"application/json")
_NOT_CACHED = (b"cache-control", b"no-store")


class Health:
    """The two health pages."""

    def __init__(self, upstream: Upstream, *, timeout: float) -> None:
        self._upstream = upstream
        self._timeout = timeout
        self.is_stopping = False
        """Set when the gateway stops; it is not ready from then on."""

    async def live(self, exchange: Exchange) -> None:
        """Answer that the process is up."""
        await _answer(exchange, 200, "ok")

    async def ready(self, exchange: Exchange) -> None:
        """Answer whether calls will be served."""
        if not self.is_stopping and await self._is_serving(exchange.request_id):
            await _answer(exchange, 200, "ready")
        else:
            await _answer(exchange, 503, "not ready")

    async def _is_serving(self, request_id: str) -> bool:
        metadata: Metadata = (Metadatum("x-request-id", request_id),)
        invocation = Invocation(_CHECK, _WHOLE_SERVER, metadata, self._timeout)
        reply = await self._upstream.unary(invocation)
        if reply.outcome.code == _UNIMPLEMENTED:
            return True  # a server without the health service answers, which is all it can say
        return reply.outcome.code == 0 and bytes(reply.message) == _SERVING


async def _answer(exchange: Exchange, status: int, word: str) -> None:
    await exchange.reply(status, [_JSON_HEADER, _NOT_CACHED], orjson.dumps({"status": word}))
