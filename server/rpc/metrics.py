"""Prometheus figures of the calls, on a registry of their own, and their text form."""

import grpc
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics import Counter as CounterChild

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class MethodMetrics:
    """The figures of one method, their labels resolved once."""

    __slots__ = ("_by_code", "_calls", "_name", "_seconds")

    def __init__(self, name: str, calls: Counter, seconds: Histogram) -> None:
        self._name = name
        self._calls = calls
        self._seconds = seconds.labels(name)
        self._by_code: dict[grpc.StatusCode, CounterChild] = {}

    def observe(self, code: grpc.StatusCode, seconds: float) -> None:
        """Count a call that ended with `code` after so many seconds."""
        child = self._by_code.get(code)
        if child is None:
            child = self._by_code[code] = self._calls.labels(self._name, code.name)
        child.inc()
        self._seconds.observe(seconds)


class Metrics:
    """The figures of one process. Names and codes only: no tenant, no user, no content becomes a label."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        """Further collectors of the process may be registered here."""
        ProcessCollector(registry=self.registry)
        self._calls = Counter(
            "parley_rpc_calls",
            "Calls that are over, by method and gRPC code.",
            ("method", "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "parley_rpc_seconds",
            "How long calls took, by method; of streams the whole stream.",
            ("method",),
            buckets=_SECONDS,
            registry=self.registry,
        )

    def method(self, name: str) -> MethodMetrics:
        """The figures of the method with that full name (`parley.v1.ThreadService/GetThread`)."""
        return MethodMetrics(name, self._calls, self._seconds)

    def render(self) -> bytes:
        """Everything in the Prometheus text format 0.0.4."""
        return generate_latest(self.registry)
