"""Prometheus figures of the calls, on a registry of their own, and their text form."""

import grpc
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from server.rpc.tallies import Count, Counts, Durations


class MethodMetrics:
    """The figures of one method, their labels resolved once."""

    __slots__ = ("_by_code", "_calls", "_name", "_seconds")

    def __init__(self, name: str, calls: Counts, seconds: Durations) -> None:
        self._name = name
        self._calls = calls
        self._seconds = seconds.of(name)
        self._by_code: dict[grpc.StatusCode, Count] = {}

    def observe(self, code: grpc.StatusCode, seconds: float) -> None:
        """Count a call that ended with `code` after so many seconds."""
        count = self._by_code.get(code)
        if count is None:
            count = self._by_code[code] = self._calls.of(self._name, code.name)
        count.value += 1
        self._seconds.observe(seconds)


class Metrics:
    """The figures of one process. Names and codes only: no tenant, no user, no content becomes a label."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        """Further collectors of the process may be registered here."""
        ProcessCollector(registry=self.registry)
        self._calls = Counts("parley_rpc_calls", "Calls that are over, by method and gRPC code.", ("method", "code"))
        self._seconds = Durations(
            "parley_rpc_seconds", "How long calls took, by method; of streams the whole stream.", ("method",)
        )
        self._limited = Counts("parley_limited_calls", "Calls refused because of a limit, by which.", ("limit",))
        self.registry.register(self._limited)
        self.registry.register(self._calls)
        self.registry.register(self._seconds)

    def method(self, name: str) -> MethodMetrics:
        """The figures of the method with that full name (`parley.v1.ThreadService/GetThread`)."""
        return MethodMetrics(name, self._calls, self._seconds)

    def limited(self, limit: str) -> None:
        """Count a call that a limit refused; `limit` says which, as `LimitReached.kind` does, never whose."""
        self._limited.of(limit).value += 1

    def render(self) -> bytes:
        """Everything in the Prometheus text format 0.0.4."""
        return generate_latest(self.registry)
