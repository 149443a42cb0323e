"""What is kept of each call when it is over: one log line and its figures. Never content."""

from typing import Any

import grpc
import structlog

from server.domain.principal import Principal
from server.ports.system import Clock
from server.rpc.interceptors.greeting import Greeting
from server.rpc.metrics import MethodMetrics


class CallRecord:
    """One call from its first byte to its end."""

    __slots__ = ("_journal", "_metrics", "_started", "greeting", "method", "principal", "request_id")

    def __init__(self, journal: "Journal", method: str, metrics: MethodMetrics, request_id: str) -> None:
        self._journal = journal
        self.method = method
        self._metrics = metrics
        self._started = journal.clock.monotonic()
        self.request_id = request_id
        self.principal: Principal | None = None
        """Who calls, once that is known."""
        self.greeting = Greeting(request_id)

    def end(self, code: grpc.StatusCode, reason: str | None = None, limit: str | None = None) -> None:
        """Note how it ended; `reason` where it was refused, `limit` where that was a limit's doing."""
        seconds = self._journal.clock.monotonic() - self._started
        self._metrics.observe(code, seconds)
        fields: dict[str, Any] = {
            "request_id": self.request_id,
            "method": self.method,
            "code": code.name,
            "ms": round(seconds * 1000, 3),
        }
        if reason is not None:
            fields["reason"] = reason
        if limit is not None:
            fields["limit"] = limit
        self._journal.log.info("call", **fields)

    def fault(self, error: Exception) -> None:
        """Note an unexpected exception with its traceback, which nobody but the log sees."""
        self._journal.log.error(
            "call failed unexpectedly", request_id=self.request_id, method=self.method, exc_info=error
        )


class Journal:
    """Where the records go. Configure logging before making one: it takes the configuration as it stands."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.log = structlog.get_logger().bind()
