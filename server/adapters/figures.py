"""Figures of the service in the Prometheus client's registry."""

from prometheus_client import CollectorRegistry, Counter

from server.ports.figures import Spoken


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

    def refused(self, spoken: Spoken, cause: str) -> None:
        """Count a text that was refused."""
        self._refused.labels(spoken.value, cause).inc()

    def cached(self, *, is_hit: bool) -> None:
        """Count a question."""
        self._cached.labels("hit" if is_hit else "miss").inc()
