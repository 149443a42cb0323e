"""A step at which a fault comes: one moment of the service's work."""

from dataclasses import dataclass
from typing import Final

FAULTS: Final = ("kill", "stop", "raise")
POLICIES: Final = ("QUEUE", "INTERRUPT")
QUEUE: Final = ("QUEUE",)


@dataclass(frozen=True, slots=True)
class Step:
    """A failpoint of the service and the time it is reached that is meant; without a failpoint, the fault comes from
    outside while the process waits."""

    name: str
    failpoint: str = ""
    hit: int = 1
    at_any_time: bool = False
    """Whether the step is none of the answer's own: the model holds its tongue until it has come."""
    in_recovery: bool = False
    """Whether the step comes after a first process was killed in the middle of an answer."""
    phase: str = ""
    """Steps count from there on."""
    outcome: str = "SUCCEEDED"
    """What becomes of the tool call into which the fault comes."""
    faults: tuple[str, ...] = FAULTS
    policies: tuple[str, ...] = POLICIES
