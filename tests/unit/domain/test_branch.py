"""The tree of a conversation's branches: what each consists of, and what two have in common."""

from datetime import UTC, datetime

import pytest

from server.domain.branch import ORIGINAL, Branch, BranchCause, BranchTree, Segment
from server.domain.ids import MessageId

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def branch(number: int, parent: int | None, forked_at: int, length: int) -> Branch:
    return Branch(number, parent, forked_at, BranchCause.EDIT, NOW, length)


@pytest.fixture
def tree() -> BranchTree:
    """1: six messages. 2 left it behind the fourth, 3 left 2 behind the fifth, 4 left 1 at once."""
    return BranchTree([branch(1, None, 0, 6), branch(2, 1, 4, 8), branch(3, 2, 5, 5), branch(4, 1, 0, 2)], active=3)


@pytest.mark.parametrize(
    ("number", "after", "path"),
    [
        (1, 0, [Segment(1, 0, 6)]),
        (2, 0, [Segment(1, 0, 4), Segment(2, 4, 8)]),
        (3, 0, [Segment(1, 0, 4), Segment(2, 4, 5)]),
        (3, 4, [Segment(2, 4, 5)]),
        (2, 6, [Segment(2, 6, 8)]),
        (2, 8, []),
        (4, 0, [Segment(4, 0, 2)]),
    ],
)
def test_a_history_is_made_of_what_was_written_in_each_branch(
    tree: BranchTree, number: int, after: int, path: list[Segment]
) -> None:
    assert tree.path(number, after=after) == path


def test_a_branch_that_left_its_parent_before_that_left_its_own_shares_no_more_than_both() -> None:
    tree = BranchTree([branch(1, None, 0, 9), branch(2, 1, 6, 9), branch(3, 2, 2, 4)], active=1)
    assert tree.path(3) == [Segment(1, 0, 2), Segment(3, 2, 4)]
    assert tree.shared(2, 3) == tree.shared(1, 3) == 2


@pytest.mark.parametrize(
    ("one", "other", "shared"), [(1, 1, 6), (1, 2, 4), (1, 3, 4), (2, 3, 5), (4, 1, 0), (4, 3, 0), (3, 3, 5)]
)
def test_two_histories_have_a_beginning_in_common(tree: BranchTree, one: int, other: int, shared: int) -> None:
    assert tree.shared(one, other) == tree.shared(other, one) == shared


@pytest.mark.parametrize(
    ("source", "kept", "parent"), [(3, 5, 2), (3, 4, 1), (3, 1, 1), (3, 0, ORIGINAL), (4, 1, 4), (4, 0, ORIGINAL)]
)
def test_a_new_branch_leaves_that_in_which_its_last_shared_message_was_written(
    tree: BranchTree, source: int, kept: int, parent: int
) -> None:
    made = tree.forked(source, kept=kept, cause=BranchCause.REGENERATION, source_message_id=MessageId("m"), now=NOW)
    assert (made.number, made.parent, made.forked_at, made.length) == (5, parent, kept, kept)
    assert tree.with_branch(made).shared(source, made.number) == kept
