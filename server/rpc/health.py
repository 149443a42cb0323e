"""`grpc.health.v1`: whether the service takes calls.

Not the servicer of grpcio-health-checking: that one forgets its other watchers when one leaves, and keeps a stopping
server waiting for them.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # ships no stubs

_Response = health_pb2.HealthCheckResponse


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # the package ships no stubs
    """One state for the whole server and for each of its services; not serving until told."""

    def __init__(self, services: Collection[str]) -> None:
        self._names = frozenset({"", *services})
        self._serving = False
        self._closed = False
        self._changed = asyncio.Event()

    def set_serving(self, serving: bool) -> None:
        """Say whether calls are welcome; watchers are told."""
        self._serving = serving
        self._tell()

    def close(self) -> None:
        """Tell the watchers that it is over and end their streams, so that a stopping server need not wait for them."""
        self._closed = True
        self.set_serving(False)

    async def Check(self, request: Any, context: Any) -> Any:
        """The state now; NOT_FOUND for a service that is not here."""
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return self._state(request.service)

    async def Watch(self, request: Any, _context: Any) -> AsyncGenerator[Any, None]:
        """The state now and whenever it changes; of a service that is not here, that it is unknown."""
        shown = None
        while True:
            changed = self._changed
            state = self._state(request.service)
            if state != shown:
                shown = state
                yield state
            if self._closed:
                return
            await changed.wait()

    def _state(self, service: str) -> Any:
        if service not in self._names:
            return _Response(status=_Response.SERVICE_UNKNOWN)
        return _Response(status=_Response.SERVING if self._serving else _Response.NOT_SERVING)

    def _tell(self) -> None:
        # Every watcher holds the event of the state it has shown: setting it wakes all, the next change has a new one.
        self._changed.set()
        self._changed = asyncio.Event()
