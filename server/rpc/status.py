"""The table that says what a fact looks like on the wire: gRPC code, `ErrorInfo`, and `BadRequest` or `RetryInfo`."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no stubs

from server.domain import (
    attachment_errors,
    compaction_errors,
    errors,
    guardrail_errors,
    history_errors,
    identity_errors,
    limit_errors,
    memory_errors,
    rights_errors,
    search_errors,
    spending_errors,
    storage_errors,
    tool_call_errors,
    tool_errors,
    voice_errors,
    webhook_errors,
)

DOMAIN: Final = "parley"
UNEXPECTED: Final = "an unexpected failure; it is logged under the request id"
# Texts travel twice, percent-encoded and in base64; trailers have room for 8 KiB in all.
_TEXT_BYTES: Final = 1024
_MOST_VIOLATIONS: Final = 8
_VIOLATION_BYTES: Final = 128

CODES: Final[Mapping[type[errors.ParleyError], grpc.StatusCode]] = {
    errors.InvalidField: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidPageToken: grpc.StatusCode.INVALID_ARGUMENT,
    errors.CursorInFuture: grpc.StatusCode.OUT_OF_RANGE,
    errors.UnknownModel: grpc.StatusCode.INVALID_ARGUMENT,
    search_errors.SearchQueryEmpty: grpc.StatusCode.INVALID_ARGUMENT,
    errors.SearchTooBroad: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ReplyTooLarge: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ImagesUnavailable: grpc.StatusCode.FAILED_PRECONDITION,
    errors.UnknownProvider: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ModelInactive: grpc.StatusCode.FAILED_PRECONDITION,
    errors.KeyMissing: grpc.StatusCode.UNAUTHENTICATED,
    errors.KeyInvalid: grpc.StatusCode.UNAUTHENTICATED,
    errors.KeyConflict: grpc.StatusCode.UNAUTHENTICATED,
    identity_errors.IssuerUnavailable: grpc.StatusCode.UNAVAILABLE,
    identity_errors.TenantMissing: grpc.StatusCode.PERMISSION_DENIED,
    identity_errors.TenantForbidden: grpc.StatusCode.PERMISSION_DENIED,
    identity_errors.PersonNeeded: grpc.StatusCode.PERMISSION_DENIED,
    identity_errors.ScopeExceeded: grpc.StatusCode.PERMISSION_DENIED,
    identity_errors.KeyNotFound: grpc.StatusCode.NOT_FOUND,
    identity_errors.KeyEnded: grpc.StatusCode.FAILED_PRECONDITION,
    spending_errors.BudgetExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    spending_errors.ModelUnpriced: grpc.StatusCode.FAILED_PRECONDITION,
    spending_errors.BudgetTooLarge: grpc.StatusCode.PERMISSION_DENIED,
    memory_errors.MemoryNotFound: grpc.StatusCode.NOT_FOUND,
    memory_errors.TooManyMemories: grpc.StatusCode.RESOURCE_EXHAUSTED,
    memory_errors.EmbedderUnavailable: grpc.StatusCode.UNAVAILABLE,
    webhook_errors.WebhookNotFound: grpc.StatusCode.NOT_FOUND,
    webhook_errors.TooManyWebhooks: grpc.StatusCode.RESOURCE_EXHAUSTED,
    webhook_errors.WebhookIsDisabled: grpc.StatusCode.FAILED_PRECONDITION,
    webhook_errors.WebhookDeliveryNotFound: grpc.StatusCode.NOT_FOUND,
    rights_errors.UserBeingErased: grpc.StatusCode.PERMISSION_DENIED,
    rights_errors.ConfirmationMissing: grpc.StatusCode.INVALID_ARGUMENT,
    rights_errors.ErasureNotFound: grpc.StatusCode.NOT_FOUND,
    rights_errors.InvalidExportCursor: grpc.StatusCode.INVALID_ARGUMENT,
    rights_errors.CursorExpired: grpc.StatusCode.OUT_OF_RANGE,
    voice_errors.VoiceUnavailable: grpc.StatusCode.FAILED_PRECONDITION,
    voice_errors.VoiceServiceUnavailable: grpc.StatusCode.UNAVAILABLE,
    voice_errors.VoiceServiceRefused: grpc.StatusCode.UNAVAILABLE,
    voice_errors.VoiceSessionNotFound: grpc.StatusCode.NOT_FOUND,
    voice_errors.TooManyVoiceSessions: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.ScopeMissing: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotAMember: grpc.StatusCode.PERMISSION_DENIED,
    errors.RoleMissing: grpc.StatusCode.PERMISSION_DENIED,
    errors.LastOwner: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ConversationNotFound: grpc.StatusCode.NOT_FOUND,
    errors.ConversationForbidden: grpc.StatusCode.PERMISSION_DENIED,
    errors.RunNotFound: grpc.StatusCode.NOT_FOUND,
    history_errors.AnswerNotFound: grpc.StatusCode.NOT_FOUND,
    errors.SessionNotFound: grpc.StatusCode.NOT_FOUND,
    errors.FileNotFound: grpc.StatusCode.NOT_FOUND,
    attachment_errors.AttachmentNotAccepted: grpc.StatusCode.FAILED_PRECONDITION,
    attachment_errors.AttachmentsTooLarge: grpc.StatusCode.INVALID_ARGUMENT,
    storage_errors.FolderNotFound: grpc.StatusCode.NOT_FOUND,
    storage_errors.FileNameTaken: grpc.StatusCode.ALREADY_EXISTS,
    storage_errors.FolderNotEmpty: grpc.StatusCode.FAILED_PRECONDITION,
    storage_errors.FolderTooDeep: grpc.StatusCode.FAILED_PRECONDITION,
    storage_errors.StorageFull: grpc.StatusCode.FAILED_PRECONDITION,
    storage_errors.FileTooLarge: grpc.StatusCode.INVALID_ARGUMENT,
    storage_errors.ContentMismatch: grpc.StatusCode.INVALID_ARGUMENT,
    storage_errors.MediaTypeMismatch: grpc.StatusCode.INVALID_ARGUMENT,
    storage_errors.RangeNotSatisfiable: grpc.StatusCode.OUT_OF_RANGE,
    storage_errors.SignedUrlInvalid: grpc.StatusCode.PERMISSION_DENIED,
    storage_errors.TooManyUploads: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.UserNotFound: grpc.StatusCode.NOT_FOUND,
    errors.OrganizationNameTaken: grpc.StatusCode.ALREADY_EXISTS,
    history_errors.MessageNotFound: grpc.StatusCode.NOT_FOUND,
    history_errors.BranchNotFound: grpc.StatusCode.NOT_FOUND,
    history_errors.MessageNotInHistory: grpc.StatusCode.FAILED_PRECONDITION,
    history_errors.RunActive: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ConversationKeyTaken: grpc.StatusCode.ALREADY_EXISTS,
    errors.RequestIdReused: grpc.StatusCode.ABORTED,
    guardrail_errors.ContentRefused: grpc.StatusCode.INVALID_ARGUMENT,
    guardrail_errors.GuardrailUnavailable: grpc.StatusCode.UNAVAILABLE,
    compaction_errors.HistoryChanged: grpc.StatusCode.ABORTED,
    tool_errors.ToolCallUnsettled: grpc.StatusCode.ABORTED,
    errors.QueueFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    limit_errors.RateLimited: grpc.StatusCode.RESOURCE_EXHAUSTED,
    limit_errors.AuthenticationFailsTooOften: grpc.StatusCode.RESOURCE_EXHAUSTED,
    limit_errors.TooManyRuns: grpc.StatusCode.RESOURCE_EXHAUSTED,
    limit_errors.TooManyStreams: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.RunCancelled: grpc.StatusCode.ABORTED,
    errors.RunInterrupted: grpc.StatusCode.ABORTED,
    errors.AnswerRestarted: grpc.StatusCode.ABORTED,
    tool_errors.UnknownToolServer: grpc.StatusCode.NOT_FOUND,
    tool_errors.UnknownTool: grpc.StatusCode.NOT_FOUND,
    tool_errors.ToolServerNotReady: grpc.StatusCode.UNAVAILABLE,
    tool_errors.ToolForbidden: grpc.StatusCode.PERMISSION_DENIED,
    tool_call_errors.ToolCallNotFound: grpc.StatusCode.NOT_FOUND,
    tool_call_errors.ToolCallAlreadyDecided: grpc.StatusCode.FAILED_PRECONDITION,
    tool_call_errors.ToolCallAlreadyEnded: grpc.StatusCode.FAILED_PRECONDITION,
    tool_call_errors.RunAwaitsDecision: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ShuttingDown: grpc.StatusCode.UNAVAILABLE,
    errors.StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
}
"""Code of every error but `RunFailed`, whose code is its run's reason's."""

# FAILED_PRECONDITION: the same request fails again, the caller has to change something. UNAVAILABLE and
# DEADLINE_EXCEEDED: the caller may send again. INTERNAL: this service's own fault.
RUN_CODES: Final[Mapping[str, grpc.StatusCode]] = {
    "PROVIDER_UNAUTHENTICATED": grpc.StatusCode.UNAVAILABLE,
    "PROVIDER_MODEL_NOT_FOUND": grpc.StatusCode.FAILED_PRECONDITION,
    "PROVIDER_RATE_LIMITED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "PROVIDER_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "PROVIDER_TIMEOUT": grpc.StatusCode.DEADLINE_EXCEEDED,
    "PROVIDER_STALLED": grpc.StatusCode.DEADLINE_EXCEEDED,
    "PROVIDER_STREAM_CUT": grpc.StatusCode.UNAVAILABLE,
    "PROVIDER_PROTOCOL_ERROR": grpc.StatusCode.UNAVAILABLE,
    "PROVIDER_REJECTED_REQUEST": grpc.StatusCode.FAILED_PRECONDITION,
    "CONTEXT_TOO_LONG": grpc.StatusCode.FAILED_PRECONDITION,
    "PROVIDER_REPORTED_ERROR": grpc.StatusCode.UNAVAILABLE,
    "OUTPUT_TOO_LONG": grpc.StatusCode.FAILED_PRECONDITION,
    "ANSWER_REFUSED": grpc.StatusCode.FAILED_PRECONDITION,
    "GUARDRAIL_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "RUN_TIMEOUT": grpc.StatusCode.DEADLINE_EXCEEDED,
    "ATTEMPTS_EXHAUSTED": grpc.StatusCode.INTERNAL,
    "SUMMARY_EMPTY": grpc.StatusCode.UNAVAILABLE,
    "SUMMARY_REFUSED": grpc.StatusCode.FAILED_PRECONDITION,
    "SUMMARY_TIMEOUT": grpc.StatusCode.DEADLINE_EXCEEDED,
    "SUMMARY_TOO_LONG": grpc.StatusCode.FAILED_PRECONDITION,
    "UNKNOWN_MODEL": grpc.StatusCode.FAILED_PRECONDITION,
    "TOOL_ROUNDS_EXHAUSTED": grpc.StatusCode.FAILED_PRECONDITION,
    "BUDGET_EXCEEDED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "MODEL_UNPRICED": grpc.StatusCode.FAILED_PRECONDITION,
    "INTERNAL": grpc.StatusCode.INTERNAL,
}
"""Code of a failed run or summary by its reason, for the calls that wait for one (`StreamChat`, `Prompt`,
`CompactConversation`)."""


class DeadlinePassed(Exception):
    """The call took longer than the server lets one of its method take."""


class HeadersTooMany(Exception):
    """The call has more metadata entries than one may have."""


def code_of(error: Exception) -> grpc.StatusCode:
    """The gRPC code of whatever a call raised; INTERNAL for what the table does not know."""
    if isinstance(error, errors.RunFailed):
        return RUN_CODES.get(error.run_reason, grpc.StatusCode.UNAVAILABLE)
    if isinstance(error, DeadlinePassed):
        return grpc.StatusCode.DEADLINE_EXCEEDED
    if isinstance(error, HeadersTooMany):
        return grpc.StatusCode.RESOURCE_EXHAUSTED
    return CODES.get(type(error), grpc.StatusCode.INTERNAL)  # type: ignore[arg-type]  # a miss is the point


def reason_of(error: Exception) -> str:
    """The `ErrorReason` of whatever a call raised, without its prefix."""
    match error:
        case errors.RunFailed():
            return error.run_reason
        case errors.ParleyError() if type(error) in CODES:
            return error.reason
        case DeadlinePassed():
            return "DEADLINE_EXCEEDED"
        case HeadersTooMany():
            return "HEADERS_TOO_LARGE"
    return "INTERNAL"


def is_expected(error: Exception) -> bool:
    """Whether the error is a fact for the caller, not a fault of the service."""
    return isinstance(error, errors.RunFailed | DeadlinePassed | HeadersTooMany) or type(error) in CODES


def status_of(error: Exception, *, request_id: str) -> status_pb2.Status:
    """The status of whatever a call raised. An unexpected error says a fixed sentence and the request id, never its own
    text."""
    number, _ = code_of(error).value
    if not is_expected(error):
        return _status(number, UNEXPECTED, [_info("INTERNAL", {"request_id": request_id})])
    if not isinstance(error, errors.ParleyError):
        sentence = "the call took too long" if isinstance(error, DeadlinePassed) else "the call has too many headers"
        return _status(number, sentence, [_info(reason_of(error), {})])
    return _status(number, _cut(error.message, _TEXT_BYTES), _details(error))


def _details(error: errors.ParleyError) -> Iterable[Message]:
    yield _info(reason_of(error), error.metadata)
    if isinstance(error, errors.InvalidField):
        yield _bad_request(error.violations)
    retry_after = getattr(error, "retry_after", None)
    if isinstance(retry_after, timedelta):
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromTimedelta(retry_after)
        yield info


def _status(number: int, message: str, details: Iterable[Message]) -> status_pb2.Status:
    status = status_pb2.Status(code=number, message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _info(reason: str, metadata: Mapping[str, str]) -> error_details_pb2.ErrorInfo:
    shown = {name: _cut(value, _TEXT_BYTES) for name, value in metadata.items()}
    return error_details_pb2.ErrorInfo(domain=DOMAIN, reason=reason, metadata=shown)


def _bad_request(violations: Iterable[errors.FieldViolation]) -> error_details_pb2.BadRequest:
    shown = list(violations)[:_MOST_VIOLATIONS]
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=_cut(violation.field, _VIOLATION_BYTES),
                description=_cut(violation.description, _VIOLATION_BYTES),
            )
            for violation in shown
        ]
    )


def _cut(text: str, limit: int) -> str:
    """A text of at most `limit` UTF-8 bytes."""
    if len(text) * 4 <= limit:
        return text
    raw = text.encode(errors="replace")
    return text if len(raw) <= limit else raw[: limit - 3].decode(errors="ignore") + "…"
