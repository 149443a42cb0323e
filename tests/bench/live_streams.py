"""How many streams of 30 tokens a second one `parley serve` holds before it adds 100 ms to one token in a hundred.

Each stream is a run with a viewer over HTTP. The delay is the time from the model's write to its socket until the
viewer has read the token, which is never shown before it is stored with FULL sync. The number of streams is doubled
until the delay is too long, then closed in on.
"""

import statistics
import time
from typing import NamedTuple

from tests.bench.figures import Figure, Report
from tests.bench.rig.listeners import Heard
from tests.bench.rig.speech import Pace, Speech, speech

FIRST, MOST = 16, 1024
LIMIT_SECONDS = 0.1
PERCENTILE = 99
_HALVINGS = 2
_STAGGER_SECONDS = 0.7
_PACE = Pace(tokens=72, per_second=30)
_SECONDS = _PACE.tokens / _PACE.per_second
_PATIENCE_SECONDS = 18
"""After which no further number is tried."""


class Delay(NamedTuple):
    """Seconds."""

    median: float
    high: float
    """At `PERCENTILE`."""

    def __str__(self) -> str:
        return f"{self.median * 1000:.0f} ms at the median, {self.high * 1000:.0f} at p{PERCENTILE}"


def run() -> Report:
    """Grow until the limit is passed."""
    with speech(threads=MOST) as spoken:
        spoken.through_service(FIRST, Pace(tokens=10, per_second=30))
        delays = _grown(spoken)
        held = max((streams for streams, delay in delays.items() if delay.high <= LIMIT_SECONDS), default=0)
        without = _of(spoken.directly(max(held, FIRST), _PACE, over_seconds=_STAGGER_SECONDS))
    figures = [
        Figure(f"{streams} streams", LIMIT_SECONDS / delay.high, None, str(delay))
        for streams, delay in sorted(delays.items())
    ]
    notes = [
        f"{held} streams were held; the ratio is of {LIMIT_SECONDS * 1000:.0f} ms to the delay at p{PERCENTILE}",
        f"with {max(held, FIRST)} streams straight from the model server: {without}",
    ]
    return Report("Streams of 30 tokens a second: delay from the model's socket to the viewer", figures, notes)


def _grown(spoken: Speech) -> dict[int, Delay]:
    """The delay by number of streams, in the order in which they were tried."""
    delays: dict[int, Delay] = {}
    began, held, lost = time.monotonic(), 0, MOST + 1
    while time.monotonic() < began + _PATIENCE_SECONDS and len(delays) < 20:
        streams = max(FIRST, held * 2) if lost > MOST else (held + lost) // 2
        if streams > MOST or streams in delays or lost - held <= max(lost >> _HALVINGS + 1, 1):
            break
        delays[streams] = _of(spoken.through_service(streams, _PACE, over_seconds=_STAGGER_SECONDS))
        if delays[streams].high <= LIMIT_SECONDS:
            held = streams
        else:
            lost = streams
    return delays


def _of(heard: list[Heard]) -> Delay:
    """The delay of what was said while all streams spoke: after the last began, before the first ended."""
    first = min(token.said_at for token in heard)
    together = [token.delay for token in heard if first + _STAGGER_SECONDS <= token.said_at <= first + _SECONDS]
    return Delay(statistics.median(together), statistics.quantiles(together, n=100)[PERCENTILE - 1])
