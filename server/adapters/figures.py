"""Figures of the service in the Prometheus client's registry."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from server.ports.figures import Dropped, Spoken


class PrometheusFigures:
    """See `ports.figures.Figures`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refused = Counter(
            "parley_guardrail_refusals",
            "Texts that the guardrails refused, by who said them and by the kind of rule; `unavailable`: not judged.",
            ("spoken", "cause"),
            registry=registry,
        )
        self._cached = Counter(
            "parley_cache_answers",
            "Questions that the response cache may answer, by whether it did.",
            ("outcome",),
            registry=registry,
        )
        self._dropped = Counter(
            "parley_retention_dropped",
            "What has outlived the time for which its tenant keeps it, and was deleted.",
            ("what",),
            registry=registry,
        )
        self._swept = Counter(
            "parley_retention_sweeps",
            "Tenants whose data was looked through for such, by whether that came to its end.",
            ("outcome",),
            registry=registry,
        )

    def refused(self, spoken: Spoken, cause: str) -> None:
        """Count a text that was refused."""
        self._refused.labels(spoken.value, cause).inc()

    def cached(self, *, is_hit: bool) -> None:
        """Count a question."""
        self._cached.labels("hit" if is_hit else "miss").inc()

    def dropped(self, what: Dropped, count: int) -> None:
        """Count what is gone."""
        self._dropped.labels(what.value).inc(count)

    def swept(self, *, is_whole: bool) -> None:
        """Count a sweep."""
        self._swept.labels("whole" if is_whole else "failed").inc()


class PrometheusPublisherFigures:
    """See `ports.figures.PublisherFigures`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._published = Counter("parley_kafka_published", "Events that Kafka has acknowledged.", registry=registry)
        self._failures = Counter("parley_kafka_failures", "Attempts to publish that failed.", registry=registry)
        self._events = Gauge(
            "parley_kafka_lag_events",
            "Events that wait to be published, counted to 100000; 0 on processes that do not publish.",
            registry=registry,
        )
        self._seconds = Gauge("parley_kafka_lag_seconds", "How long the oldest of them has waited.", registry=registry)

    def published(self, events: int) -> None:
        """Count events."""
        self._published.inc(events)

    def failed(self) -> None:
        """Count an attempt."""
        self._failures.inc()

    def waiting(self, events: int, seconds: float) -> None:
        """Show what waits."""
        self._events.set(events)
        self._seconds.set(seconds)
