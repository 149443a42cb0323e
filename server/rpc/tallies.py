"""Counters and histograms that are kept on the event loop's thread alone.

Those of `prometheus_client` may be changed from any thread, and pay for it with a lock and several calls a time: all
figures of one HTTP call took 7 us of its 120. These are additions, and become Prometheus samples when somebody looks.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the buckets of `Durations`."""
_BUCKETS: Final = (*(str(bound) for bound in SECONDS), "+Inf")


class Count:
    """How often something happened."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Spread:
    """How long something took, all times together."""

    __slots__ = ("_buckets", "_sum")

    def __init__(self) -> None:
        self._buckets = [0] * len(_BUCKETS)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Add one."""
        self._buckets[bisect_left(SECONDS, seconds)] += 1
        self._sum += seconds

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Write it as samples; a bucket there counts all that is below it, too."""
        total, cumulated = 0, []
        for bound, count in zip(_BUCKETS, self._buckets, strict=True):
            total += count
            cumulated.append((bound, float(total)))
        family.add_metric(labels, cumulated, self._sum)


class Counts(Collector):
    """A family of counts by labels."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self._description = (name, documentation)
        self._labels = labels
        self._counts: dict[tuple[str, ...], Count] = {}

    def of(self, *labels: str) -> Count:
        """The count of these labels; to be kept by whoever counts often."""
        return self._counts.setdefault(labels, Count())

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Everything as samples."""
        family = CounterMetricFamily(*self._description, labels=self._labels)
        for labels, count in self._counts.items():
            family.add_metric(labels, count.value)
        yield family


class Durations(Collector):
    """A family of durations by labels."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self._description = (name, documentation)
        self._labels = labels
        self._spreads: dict[tuple[str, ...], Spread] = {}

    def of(self, *labels: str) -> Spread:
        """The durations of these labels; to be kept by whoever observes often."""
        return self._spreads.setdefault(labels, Spread())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Everything as samples."""
        family = HistogramMetricFamily(*self._description, labels=self._labels)
        for labels, spread in self._spreads.items():
            spread.add_to(family, labels)
        yield family
