"""Decisions, results and what waits for them, of `parley.v1`."""

from collections.abc import Iterable

from parley.v1 import thread_pb2
from parley.v1 import tool_pb2 as pb

from server.application.approvals import Answered, PendingApproval
from server.application.tool_answers import ClientResult, ToolDecision
from server.domain.ids import ToolCallId
from server.domain.tool import ToolInvocation
from server.rpc.codecs.run import STATES
from server.rpc.codecs.timestamp import optional_timestamp, timestamp
from server.rpc.codecs.tool_call import CALL_STATES


def encode_pending(pending: PendingApproval) -> thread_pb2.PendingToolApproval:
    """A call that waits for a person."""
    call = pending.call
    return thread_pb2.PendingToolApproval(
        tool_call_id=call.id,
        run_id=call.run_id,
        server_name=call.server or "",
        tool_name=call.tool,
        arguments=call.arguments,
        requested_at=timestamp(pending.approval.requested_at),
        expires_at=timestamp(pending.approval.expires_at),
    )


def encode_client_call(call: ToolInvocation) -> thread_pb2.PendingClientToolCall:
    """A call that waits for the client."""
    return thread_pb2.PendingClientToolCall(
        tool_call_id=call.id,
        run_id=call.run_id,
        tool_name=call.name,
        arguments=call.arguments,
        requested_at=timestamp(call.requested_at),
        expires_at=optional_timestamp(call.expires_at),
    )


def decode_decisions(request: pb.SubmitToolApprovalsRequest) -> list[ToolDecision]:
    """What a person says; an empty reason is none."""
    return [
        ToolDecision(ToolCallId(said.tool_call_id), said.approved, said.reason or None) for said in request.approvals
    ]


def decode_results(request: pb.SubmitClientToolResultsRequest) -> list[ClientResult]:
    """What the client's tools answered."""
    return [ClientResult(ToolCallId(said.tool_call_id), said.result, said.is_error) for said in request.tool_results]


def encode_outcomes(answered: Answered) -> Iterable[pb.ToolCallOutcome]:
    """Where the calls stand that were spoken of."""
    return [
        pb.ToolCallOutcome(tool_call_id=outcome.call_id, state=CALL_STATES[outcome.state])
        for outcome in answered.outcomes
    ]


def encode_decided(answered: Answered) -> pb.SubmitToolApprovalsResponse:
    """What decisions came to."""
    return pb.SubmitToolApprovalsResponse(
        outcomes=encode_outcomes(answered), run_id=answered.run.id, status=STATES[answered.run.state]
    )


def encode_submitted(answered: Answered) -> pb.SubmitClientToolResultsResponse:
    """What results came to."""
    return pb.SubmitClientToolResultsResponse(
        outcomes=encode_outcomes(answered), run_id=answered.run.id, status=STATES[answered.run.state]
    )
