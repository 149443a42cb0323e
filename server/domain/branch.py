"""Branches of a conversation: the histories it has had, of which one is active.

They form a tree. A message belongs to the branch in which it was written; up to its fork a branch shares the messages
of its parent, so that none is ever copied. What every API shows as the history is the active branch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final

from server.domain.ids import MessageId

ORIGINAL: Final = 1
"""Number of the branch with which every conversation begins."""


class BranchCause(StrEnum):
    """Why a branch was started."""

    ORIGINAL = "ORIGINAL"
    EDIT = "EDIT"
    REGENERATION = "REGENERATION"


@dataclass(frozen=True, slots=True)
class Branch:
    """One history of a conversation."""

    number: int
    """From 1, in the order in which they were started."""
    parent: int | None
    """The branch it left; `None` for the original."""
    forked_at: int
    """Its messages at positions up to this one are its parent's."""
    cause: BranchCause
    created_at: datetime
    length: int
    """How many messages it has, shared ones included."""
    source_message_id: MessageId | None = None
    """The message whose replacement started it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Positions `after` < position <= `upto` of a history: messages that were written in one branch."""

    branch: int
    after: int
    upto: int


class BranchTree:
    """All branches of one conversation at one moment."""

    def __init__(self, branches: Sequence[Branch], *, active: int) -> None:
        self._branches: Mapping[int, Branch] = {branch.number: branch for branch in branches}
        self.active = self._branches[active]

    def __iter__(self) -> Iterator[Branch]:
        """By number."""
        return iter(sorted(self._branches.values(), key=lambda branch: branch.number))

    def get(self, number: int) -> Branch | None:
        """The branch of that number."""
        return self._branches.get(number)

    def path(self, number: int, *, after: int = 0) -> list[Segment]:
        """What the history of a branch consists of, behind a position, in order."""
        line = self._line(number)
        ends = [younger.forked_at for _, younger in pairwise(line)] + [line[-1].length]
        segments, upto = [], line[-1].length
        for branch, end in zip(reversed(line), reversed(ends), strict=True):
            upto = min(upto, end)
            segments.append(Segment(branch.number, max(branch.forked_at, after), upto))
        return [segment for segment in reversed(segments) if segment.after < segment.upto]

    def shared(self, one: int, other: int) -> int:
        """How many messages at their beginning two branches have in common."""
        if one == other:
            return self._branches[one].length
        mine, theirs = ({branch.number for branch in self._line(number)} for number in (one, other))
        return min(self._branches[number].forked_at for number in mine ^ theirs)

    def forked(
        self, source: int, *, kept: int, cause: BranchCause, source_message_id: MessageId, now: datetime
    ) -> Branch:
        """A new branch that keeps the first messages of `source`. Its parent is the one in which the last of those was
        written, so that repeating an answer makes siblings, not an ever longer line."""
        homes = [segment.branch for segment in self.path(source) if segment.after < kept]
        return Branch(
            number=max(self._branches) + 1,
            parent=homes[-1] if homes else ORIGINAL,
            forked_at=kept,
            cause=cause,
            created_at=now,
            length=kept,
            source_message_id=source_message_id,
        )

    def with_branch(self, branch: Branch) -> "BranchTree":
        """This tree and one more branch."""
        return BranchTree([*self._branches.values(), branch], active=self.active.number)

    def _line(self, number: int) -> list[Branch]:
        """A branch and its ancestors, the eldest first."""
        line = [self._branches[number]]
        while (parent := line[0].parent) is not None:
            line.insert(0, self._branches[parent])
        return line
