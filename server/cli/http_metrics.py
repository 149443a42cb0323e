"""Prometheus figures of the HTTP exchanges, beside those of the calls: an observer for the gateway."""

from typing import Final

from prometheus_client import Counter, Histogram

from server.rpc.metrics import Metrics

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
# A caller may send any word as its method; it must not become a label of its own.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpMetrics:
    """Counts exchanges by route and status. Routes are templates, so their number is that of the protos."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = Counter(
            "parley_http_requests",
            "HTTP exchanges that are over, by route, method and status; status 0: the client left before a reply.",
            ("route", "method", "status"),
            registry=metrics.registry,
        )
        self._seconds = Histogram(
            "parley_http_seconds",
            "How long HTTP exchanges took, by route; of streams the whole stream.",
            ("route",),
            buckets=_SECONDS,
            registry=metrics.registry,
        )
        # Resolving labels costs twice what counting does; there are as many as routes, methods and statuses.
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}

    def finished(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an exchange that is over."""
        labels = (route, method if method in _METHODS else "other", status)
        counter = self._counters.get(labels)
        if counter is None:
            counter = self._counters[labels] = self._requests.labels(*labels)
        counter.inc()
        timer = self._timers.get(route)
        if timer is None:
            timer = self._timers[route] = self._seconds.labels(route)
        timer.observe(seconds)
