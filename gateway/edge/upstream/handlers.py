"""The methods registered in process, and the chain of interceptors in front of them."""

import functools
from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio

from gateway.edge.upstream.call import Invocation

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Handler = grpc.RpcMethodHandler  # generic in its stub only


class _CallDetails(namedtuple("_CallDetails", ("method", "invocation_metadata")), grpc.HandlerCallDetails):
    """What an interceptor is told of a call before its handler is known: grpc's ABC and a tuple, as grpc's own is."""

    __slots__ = ()


class Handlers:
    """Finds the handler of a call as `grpc.aio` does: interceptors, then registered methods, then generic ones."""

    def __init__(self, interceptors: Sequence[aio.ServerInterceptor]) -> None:
        self._chain: Any = self._continue
        for interceptor in reversed(interceptors):
            self._chain = functools.partial(interceptor.intercept_service, self._chain)
        self._generic: list[grpc.GenericRpcHandler] = []
        self._registered: dict[str, Handler] = {}

    def add_generic(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Register handlers that are asked in turn for methods not registered by name."""
        self._generic.extend(handlers)

    def add_registered(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Register the handlers of a service by the names of its methods."""
        for name, handler in handlers.items():
            self._registered[f"/{service}/{name}"] = handler

    async def find(self, invocation: Invocation) -> Handler | None:
        """Give the method's handler as the interceptors leave it, or None for an unknown method."""
        details: Any = _CallDetails(invocation.method.path, invocation.metadata)
        found: Handler | None = await self._chain(details)
        return found

    async def _continue(self, details: Any) -> Handler | None:
        """Give what the last interceptor's continuation gives."""
        return self._lookup(details)

    def _lookup(self, details: Any) -> Handler | None:
        registered = self._registered.get(details.method)
        if registered is not None:
            return registered
        for generic in self._generic:
            found: Handler | None = generic.service(details)
            if found is not None:
                return found
        return None
