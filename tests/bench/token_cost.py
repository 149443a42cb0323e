"""What a token costs the whole service: CPU of `parley serve` from the model's socket to the viewer's.

That is everything between: reading the provider's stream, the batch that is stored with FULL sync before it is shown,
the feed, the server-sent event. The floor is the CPU of the model server of the rig, which does no more than write each
token to a socket.
"""

from tests.bench.figures import Figure, Report
from tests.bench.rig.process import one_core
from tests.bench.rig.speech import Pace, Speech, speech

ROUNDS = 2
_STEADY = Pace(tokens=60, per_second=30)
_FAST = Pace(tokens=2000, per_second=2000)
WORKLOADS = {
    "1 stream, 30 tokens a second": (1, _STEADY),
    "32 streams, 30 tokens a second each": (32, _STEADY),
    "1 stream, 2000 tokens a second, batched": (1, _FAST),
}


def run() -> Report:
    """Measure every workload; all processes share one core."""
    with one_core(), speech(threads=32) as spoken:
        spoken.through_service(32, Pace(tokens=10, per_second=30))
        rounds = [[_costs(spoken, *workload) for workload in WORKLOADS.values()] for _ in range(ROUNDS)]
    best = [min(costs) for costs in zip(*rounds, strict=True)]
    return Report(
        "A token from the model's socket to the viewer's: CPU of the service over that of writing it to a socket",
        [
            Figure(name, service / floor, None, f"{service * 1e6:.0f} us a token, the floor {floor * 1e6:.0f} us")
            for name, (service, floor) in zip(WORKLOADS, best, strict=True)
        ],
        [f"best of {ROUNDS} rounds; a run's beginning and end are spread over its tokens"],
    )


def _costs(spoken: Speech, streams: int, pace: Pace) -> tuple[float, float]:
    """CPU seconds a token of the service and of the model server."""
    service, upstream = spoken.service_cpu_seconds, spoken.upstream_cpu_seconds
    heard = len(spoken.through_service(streams, pace))
    assert heard == streams * pace.tokens, f"{heard} tokens"
    return (spoken.service_cpu_seconds - service) / heard, (spoken.upstream_cpu_seconds - upstream) / heard
