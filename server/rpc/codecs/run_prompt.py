"""What the model was sent, as `parley.v1` shows it."""

from collections.abc import Mapping
from typing import Final

from parley.v1 import run_pb2

from server.application.paging import Page
from server.application.run_prompts import ShownPart, ShownRequest
from server.domain.enclosure import Shown
from server.domain.model_request import Omission
from server.rpc.codecs.message import ROLES, encode_usage
from server.rpc.codecs.run import encode_generation
from server.rpc.codecs.timestamp import timestamp

OMISSIONS: Final[Mapping[Omission, run_pb2.OmissionReason.ValueType]] = {
    Omission.EMPTY: run_pb2.OMISSION_REASON_EMPTY,
    Omission.CUT_TOOL_GROUP: run_pb2.OMISSION_REASON_CUT_TOOL_GROUP,
    Omission.WINDOW: run_pb2.OMISSION_REASON_WINDOW,
    Omission.BUDGET: run_pb2.OMISSION_REASON_BUDGET,
    Omission.SUMMARISED: run_pb2.OMISSION_REASON_SUMMARISED,
}

SHOWN: Final[Mapping[Shown, run_pb2.AttachmentShown.ValueType]] = {
    Shown.WHOLE: run_pb2.ATTACHMENT_SHOWN_WHOLE,
    Shown.SHORTENED: run_pb2.ATTACHMENT_SHOWN_SHORTENED,
    Shown.DELETED: run_pb2.ATTACHMENT_SHOWN_DELETED,
    Shown.NOT_ACCEPTED: run_pb2.ATTACHMENT_SHOWN_NOT_ACCEPTED,
    Shown.LEFT_OUT: run_pb2.ATTACHMENT_SHOWN_LEFT_OUT,
}


def encode_requests(page: Page[ShownRequest]) -> run_pb2.GetRunPromptResponse:
    """A page of a run's requests."""
    return run_pb2.GetRunPromptResponse(requests=map(_request, page.items), next_page_token=page.next_token)


def _request(shown: ShownRequest) -> run_pb2.ModelRequest:
    record = shown.record
    return run_pb2.ModelRequest(
        attempt=record.epoch,
        round=record.round,
        created_at=timestamp(record.created_at),
        generation_config=encode_generation(record.generation),
        messages=map(_message, shown.parts),
        omitted=[
            run_pb2.OmittedMessages(
                first_position=each.positions.first, last_position=each.positions.last, reason=OMISSIONS[each.why]
            )
            for each in record.left_out
        ],
        tools=[run_pb2.OfferedTool(name=tool.name, definition_digest=tool.digest) for tool in record.tools],
        estimated_tokens=record.estimated_tokens,
        token_budget=record.room,
        usage=encode_usage(record.usage),
        compaction_id=record.compaction_id,
        compaction_failure=record.compaction_failure,
        answer_message_id=record.message_id,
        branch=record.branch,
    )


def _message(part: ShownPart) -> run_pb2.PromptMessage:
    message = part.message
    encoded = run_pb2.PromptMessage(
        role=ROLES[message.role],
        content=message.content,
        tool_call_id=message.tool_call_id,
        source_message_id=part.source_id,
        shortened=part.is_shortened,
    )
    for call in message.tool_calls:
        encoded.tool_calls.add(id=call.id, name=call.name, arguments=call.arguments)
    for attachment, shown in part.attachments:
        encoded.attachments.add(
            file_id=attachment.file_id,
            name=attachment.name,
            media_type=attachment.media_type,
            size_bytes=attachment.size,
            shown=SHOWN[shown],
        )
    return encoded
