"""Figures of voice sessions in the Prometheus client's registry."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from server.domain.voice import End


class PrometheusVoiceFigures:
    """See `ports.voice.VoiceFigures`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._live = Gauge(
            "parley_voice_sessions", "Voice sessions of this process that can be joined.", registry=registry
        )
        self._ended = Counter(
            "parley_voice_sessions_ended", "Voice sessions that are over, by why.", ("why",), registry=registry
        )
        self._failed = Counter(
            "parley_voice_sessions_failed",
            "Voice sessions that could not be made, by why.",
            ("why",),
            registry=registry,
        )

    def opened(self) -> None:
        """Count one more that lives."""
        self._live.inc()

    def failed(self, reason: str) -> None:
        """Count one that never did."""
        self._failed.labels(reason).inc()

    def ended(self, why: End) -> None:
        """Count one that is over."""
        self._live.dec()
        self._ended.labels(why.value).inc()
