"""What one process tells the others of the calls that it let in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RateReport:
    """Calls since the report before."""

    process: str
    sequence: int
    """From 1, without gaps."""
    at: datetime
    """When it was made, by the store's own time."""
    counts: Mapping[str, int]
    """Calls by a digest of whose they are."""
