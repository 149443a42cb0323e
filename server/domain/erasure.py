"""The erasure of a user: a task that goes on until nothing of the user is left."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from server.domain.ids import ErasureId
from server.domain.principal import Owner


class ErasureState(StrEnum):
    """How far an erasure has come."""

    UNDER_WAY = "UNDER_WAY"
    DONE = "DONE"


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure, and what it has deleted so far."""

    id: ErasureId
    user: Owner
    """Whose; once it is done, nobody's: the pseudonym stands for the name."""
    pseudonym: str
    """What stands for the name wherever somebody's deeds have to stay provable."""
    requested_by: str
    requested_at: datetime
    state: ErasureState = ErasureState.UNDER_WAY
    ended_at: datetime | None = None
    conversations: int = 0
    rows: int = 0
