"""Prometheus figures of the HTTP exchanges, beside those of the calls: an observer for the gateway."""

from typing import Final

from server.rpc.metrics import Metrics
from server.rpc.tallies import Count, Counts, Durations, Spread

# A caller may send any word as its method; it must not become a label of its own.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpMetrics:
    """Counts exchanges by route and status. Routes are templates, so their number is that of the protos."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = Counts(
            "parley_http_requests",
            "HTTP exchanges that are over, by route, method and status; status 0: the client left before a reply.",
            ("route", "method", "status"),
        )
        self._seconds = Durations(
            "parley_http_seconds",
            "How long HTTP exchanges took, by route; of streams the whole stream.",
            ("route",),
        )
        metrics.registry.register(self._requests)
        metrics.registry.register(self._seconds)
        # Found without making texts of their parts; there are as many as routes, methods and statuses.
        self._figures: dict[tuple[str, str, int], tuple[Count, Spread]] = {}

    def finished(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an exchange that is over."""
        figures = self._figures.get((route, method, status))
        if figures is None:
            figures = self._new(route, method if method in _METHODS else "other", status)
        count, spread = figures
        count.value += 1
        spread.observe(seconds)

    def _new(self, route: str, method: str, status: int) -> tuple[Count, Spread]:
        figures = self._requests.of(route, method, str(status)), self._seconds.of(route)
        self._figures[route, method, status] = figures
        return figures
