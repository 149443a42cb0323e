"""Figures that the loop keeps read like those of `prometheus_client` itself."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from server.rpc.tallies import SECONDS, Counts, Durations

_TIMES = (0.0, 0.0005, *SECONDS, 0.3, 299.9, 300.1, 4000.0)


def _without_creation_times(text: bytes) -> list[str]:
    return [line for line in text.decode().splitlines() if "_created" not in line]


def test_durations_fall_into_the_buckets_of_a_histogram() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    durations = Durations("took", "How long.", ("method",))
    ours.register(durations)
    histogram = Histogram("took", "How long.", ("method",), buckets=SECONDS, registry=theirs)
    for seconds in _TIMES:
        durations.of("a").observe(seconds)
        histogram.labels("a").observe(seconds)
    assert _without_creation_times(generate_latest(ours)) == _without_creation_times(generate_latest(theirs))


def test_counts_are_kept_by_their_labels() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counts = Counts("calls", "How many.", ("method", "code"))
    ours.register(counts)
    counter = Counter("calls", "How many.", ("method", "code"), registry=theirs)
    for labels in (("a", "OK"), ("a", "NOT_FOUND"), ("a", "OK")):
        counts.of(*labels).value += 1
        counter.labels(*labels).inc()
    assert _without_creation_times(generate_latest(ours)) == _without_creation_times(generate_latest(theirs))
