"""Branches of `parley.v1`."""

from collections.abc import Mapping
from typing import Final

from parley.v1 import thread_pb2

from server.application.branches import ListedBranch
from server.application.paging import Page
from server.domain.branch import BranchCause
from server.rpc.codecs.timestamp import timestamp

CAUSES: Final[Mapping[BranchCause, thread_pb2.BranchCause.ValueType]] = {
    BranchCause.ORIGINAL: thread_pb2.BRANCH_CAUSE_ORIGINAL,
    BranchCause.EDIT: thread_pb2.BRANCH_CAUSE_EDIT,
    BranchCause.REGENERATION: thread_pb2.BRANCH_CAUSE_REGENERATION,
}


def encode_branch(listed: ListedBranch) -> thread_pb2.Branch:
    """One branch."""
    branch = listed.branch
    return thread_pb2.Branch(
        number=branch.number,
        parent=branch.parent,
        shared_messages=branch.forked_at,
        message_count=branch.length,
        cause=CAUSES[branch.cause],
        source_message_id=branch.source_message_id,
        created_at=timestamp(branch.created_at),
        active=listed.is_active,
    )


def encode_branches(page: Page[ListedBranch]) -> thread_pb2.ListBranchesResponse:
    """A page of branches."""
    return thread_pb2.ListBranchesResponse(
        branches=[encode_branch(listed) for listed in page.items], next_page_token=page.next_token
    )
