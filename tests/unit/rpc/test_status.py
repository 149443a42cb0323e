"""The status table: every fact has a code and an `ErrorReason`, and nothing leaves that was not meant to."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no stubs
from parley.v1 import error_reason_pb2

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
from server.domain.rates import Standing
from server.domain.spending import Allowance, Period, Unit, Whose
from server.rpc.status import (
    CODES,
    RUN_CODES,
    DeadlinePassed,
    HeadersTooMany,
    code_of,
    is_expected,
    reason_of,
    status_of,
)

SPENT = Allowance(Whose.KEY, Period.DAY, Unit.COST, 2_500_000, 2_600_000, 0, datetime(2026, 11, 22, tzinfo=UTC))
REASONS = {name.removeprefix("ERROR_REASON_") for name, number in error_reason_pb2.ErrorReason.items() if number}
FIRST_RUN_REASON = error_reason_pb2.ERROR_REASON_PROVIDER_UNAUTHENTICATED
LAST_RUN_REASON = error_reason_pb2.ERROR_REASON_ANSWER_REFUSED
RUN_REASONS = {
    name.removeprefix("ERROR_REASON_")
    for name, number in error_reason_pb2.ErrorReason.items()
    if FIRST_RUN_REASON <= number <= LAST_RUN_REASON or number == error_reason_pb2.ERROR_REASON_TOOL_ROUNDS_EXHAUSTED
}

EXAMPLES: list[tuple[errors.ParleyError, grpc.StatusCode, str, dict[str, str]]] = [
    (
        errors.InvalidField([errors.FieldViolation("name", "is too long")]),
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        {},
    ),
    (errors.InvalidPageToken(), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN", {}),
    (
        errors.CursorInFuture(cursor=9, last=4),
        grpc.StatusCode.OUT_OF_RANGE,
        "CURSOR_IN_FUTURE",
        {"last_sequence": "4"},
    ),
    (errors.UnknownModel("m"), grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_MODEL", {"model": "m"}),
    (errors.SearchTooBroad(), grpc.StatusCode.FAILED_PRECONDITION, "SEARCH_TOO_BROAD", {}),
    (errors.ReplyTooLarge("too large"), grpc.StatusCode.FAILED_PRECONDITION, "REPLY_TOO_LARGE", {}),
    (errors.ImagesUnavailable(), grpc.StatusCode.FAILED_PRECONDITION, "IMAGES_UNAVAILABLE", {}),
    (errors.UnknownProvider("p"), grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_PROVIDER", {"provider": "p"}),
    (
        errors.ModelInactive(provider="p", model="m"),
        grpc.StatusCode.FAILED_PRECONDITION,
        "MODEL_INACTIVE",
        {"provider": "p", "model": "m"},
    ),
    (webhook_errors.WebhookNotFound("w"), grpc.StatusCode.NOT_FOUND, "WEBHOOK_NOT_FOUND", {"id": "w"}),
    (webhook_errors.TooManyWebhooks(9), grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WEBHOOKS", {"limit": "9"}),
    (
        webhook_errors.WebhookIsDisabled("w"),
        grpc.StatusCode.FAILED_PRECONDITION,
        "WEBHOOK_IS_DISABLED",
        {"id": "w"},
    ),
    (
        webhook_errors.WebhookDeliveryNotFound("d"),
        grpc.StatusCode.NOT_FOUND,
        "WEBHOOK_DELIVERY_NOT_FOUND",
        {"id": "d"},
    ),
    (errors.KeyMissing(), grpc.StatusCode.UNAUTHENTICATED, "KEY_MISSING", {}),
    (errors.KeyInvalid(), grpc.StatusCode.UNAUTHENTICATED, "KEY_INVALID", {}),
    (errors.KeyConflict(), grpc.StatusCode.UNAUTHENTICATED, "KEY_CONFLICT", {}),
    (errors.ScopeMissing("a:b"), grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING", {"scope": "a:b"}),
    (identity_errors.IssuerUnavailable(), grpc.StatusCode.UNAVAILABLE, "ISSUER_UNAVAILABLE", {}),
    (identity_errors.TenantMissing(), grpc.StatusCode.PERMISSION_DENIED, "TENANT_MISSING", {}),
    (identity_errors.TenantForbidden(), grpc.StatusCode.PERMISSION_DENIED, "TENANT_FORBIDDEN", {}),
    (identity_errors.PersonNeeded(), grpc.StatusCode.PERMISSION_DENIED, "PERSON_NEEDED", {}),
    (identity_errors.ScopeExceeded("a:b"), grpc.StatusCode.PERMISSION_DENIED, "SCOPE_EXCEEDED", {"scope": "a:b"}),
    (identity_errors.KeyNotFound("k"), grpc.StatusCode.NOT_FOUND, "KEY_NOT_FOUND", {"id": "k"}),
    (search_errors.SearchQueryEmpty(), grpc.StatusCode.INVALID_ARGUMENT, "SEARCH_QUERY_EMPTY", {}),
    (identity_errors.KeyEnded("k"), grpc.StatusCode.FAILED_PRECONDITION, "KEY_ENDED", {"id": "k"}),
    (
        spending_errors.BudgetExceeded(SPENT, SPENT.resets_at - timedelta(hours=1)),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "BUDGET_EXCEEDED",
        {"budget": "KEY/COST/DAY", "limit": "2.5", "left": "0", "resets_at": "2026-11-22T00:00:00Z"},
    ),
    (
        spending_errors.ModelUnpriced(provider="p", model="m"),
        grpc.StatusCode.FAILED_PRECONDITION,
        "MODEL_UNPRICED",
        {"provider": "p", "model": "m"},
    ),
    (memory_errors.MemoryNotFound("m"), grpc.StatusCode.NOT_FOUND, "MEMORY_NOT_FOUND", {"id": "m"}),
    (memory_errors.TooManyMemories(2), grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_MEMORIES", {"limit": "2"}),
    (memory_errors.EmbedderUnavailable("it is away"), grpc.StatusCode.UNAVAILABLE, "EMBEDDER_UNAVAILABLE", {}),
    (rights_errors.UserBeingErased(), grpc.StatusCode.PERMISSION_DENIED, "USER_BEING_ERASED", {}),
    (rights_errors.ConfirmationMissing(), grpc.StatusCode.INVALID_ARGUMENT, "CONFIRMATION_MISSING", {}),
    (rights_errors.ErasureNotFound("e"), grpc.StatusCode.NOT_FOUND, "ERASURE_NOT_FOUND", {"id": "e"}),
    (rights_errors.InvalidExportCursor(), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_EXPORT_CURSOR", {}),
    (
        rights_errors.CursorExpired(cursor=3, first=7),
        grpc.StatusCode.OUT_OF_RANGE,
        "CURSOR_EXPIRED",
        {"first_sequence": "7"},
    ),
    (spending_errors.BudgetTooLarge(), grpc.StatusCode.PERMISSION_DENIED, "BUDGET_TOO_LARGE", {}),
    (
        attachment_errors.AttachmentNotAccepted(model="m", media_type="image/png", accepted_by=["a", "b"]),
        grpc.StatusCode.FAILED_PRECONDITION,
        "ATTACHMENT_NOT_ACCEPTED",
        {"model": "m", "media_type": "image/png", "accepted_by": "a, b"},
    ),
    (
        attachment_errors.AttachmentsTooLarge(what="files", limit=7),
        grpc.StatusCode.INVALID_ARGUMENT,
        "ATTACHMENTS_TOO_LARGE",
        {"what": "files", "limit": "7"},
    ),
    (storage_errors.FolderNotFound("f"), grpc.StatusCode.NOT_FOUND, "FOLDER_NOT_FOUND", {"id": "f"}),
    (storage_errors.FileNameTaken("a"), grpc.StatusCode.ALREADY_EXISTS, "FILE_NAME_TAKEN", {"name": "a"}),
    (storage_errors.FolderNotEmpty(), grpc.StatusCode.FAILED_PRECONDITION, "FOLDER_NOT_EMPTY", {}),
    (storage_errors.FolderTooDeep(3), grpc.StatusCode.FAILED_PRECONDITION, "FOLDER_TOO_DEEP", {}),
    (
        storage_errors.StorageFull(what="bytes", limit=7),
        grpc.StatusCode.FAILED_PRECONDITION,
        "STORAGE_FULL",
        {"what": "bytes", "limit": "7"},
    ),
    (storage_errors.FileTooLarge(7), grpc.StatusCode.INVALID_ARGUMENT, "FILE_TOO_LARGE", {"limit": "7"}),
    (storage_errors.ContentMismatch("size"), grpc.StatusCode.INVALID_ARGUMENT, "CONTENT_MISMATCH", {"what": "size"}),
    (
        storage_errors.MediaTypeMismatch("image/png", "text/plain"),
        grpc.StatusCode.INVALID_ARGUMENT,
        "MEDIA_TYPE_MISMATCH",
        {"declared": "image/png", "shown": "text/plain"},
    ),
    (storage_errors.RangeNotSatisfiable(7), grpc.StatusCode.OUT_OF_RANGE, "RANGE_NOT_SATISFIABLE", {"size": "7"}),
    (storage_errors.SignedUrlInvalid(), grpc.StatusCode.PERMISSION_DENIED, "SIGNED_URL_INVALID", {}),
    (storage_errors.TooManyUploads(8), grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_UPLOADS", {"most": "8"}),
    (errors.NotAMember(), grpc.StatusCode.PERMISSION_DENIED, "NOT_A_MEMBER", {}),
    (errors.RoleMissing("Admin"), grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING", {"role": "Admin"}),
    (errors.LastOwner(), grpc.StatusCode.FAILED_PRECONDITION, "LAST_OWNER", {}),
    (errors.UserNotFound("u"), grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND", {"user": "u"}),
    (errors.OrganizationNameTaken("o"), grpc.StatusCode.ALREADY_EXISTS, "ORGANIZATION_NAME_TAKEN", {"name": "o"}),
    (errors.ConversationNotFound("k"), grpc.StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND", {"id": "k"}),
    (errors.ConversationForbidden(), grpc.StatusCode.PERMISSION_DENIED, "CONVERSATION_FORBIDDEN", {}),
    (errors.RunNotFound("r"), grpc.StatusCode.NOT_FOUND, "RUN_NOT_FOUND", {"id": "r"}),
    (history_errors.AnswerNotFound(seen=3), grpc.StatusCode.NOT_FOUND, "RUN_NOT_FOUND", {"after_sequence": "3"}),
    (errors.FileNotFound("f"), grpc.StatusCode.NOT_FOUND, "FILE_NOT_FOUND", {"id": "f"}),
    (errors.SessionNotFound("s"), grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND", {"id": "s"}),
    (history_errors.MessageNotFound("m"), grpc.StatusCode.NOT_FOUND, "MESSAGE_NOT_FOUND", {"id": "m"}),
    (history_errors.BranchNotFound(2), grpc.StatusCode.NOT_FOUND, "BRANCH_NOT_FOUND", {"branch": "2"}),
    (
        history_errors.MessageNotInHistory("m"),
        grpc.StatusCode.FAILED_PRECONDITION,
        "MESSAGE_NOT_IN_HISTORY",
        {"id": "m"},
    ),
    (history_errors.MessageNotFound(None), grpc.StatusCode.NOT_FOUND, "MESSAGE_NOT_FOUND", {}),
    (history_errors.RunActive(), grpc.StatusCode.FAILED_PRECONDITION, "RUN_ACTIVE", {}),
    (
        errors.ConversationKeyTaken("k"),
        grpc.StatusCode.ALREADY_EXISTS,
        "CONVERSATION_KEY_TAKEN",
        {"conversation_key": "k"},
    ),
    (compaction_errors.HistoryChanged(), grpc.StatusCode.ABORTED, "HISTORY_CHANGED", {}),
    (errors.RequestIdReused("i"), grpc.StatusCode.ABORTED, "REQUEST_ID_REUSED", {"request_id": "i"}),
    (guardrail_errors.ContentRefused(), grpc.StatusCode.INVALID_ARGUMENT, "CONTENT_REFUSED", {}),
    (guardrail_errors.GuardrailUnavailable(), grpc.StatusCode.UNAVAILABLE, "GUARDRAIL_UNAVAILABLE", {}),
    (errors.QueueFull(limit=16), grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", {}),
    (
        limit_errors.RateLimited("key", Standing(600, 0, 12.5)),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "RATE_LIMITED",
        {"limit": "key", "most": "600"},
    ),
    (
        limit_errors.AuthenticationFailsTooOften(Standing(30, 0, 12.5)),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "AUTHENTICATION_FAILS_TOO_OFTEN",
        {"limit": "address", "most": "30"},
    ),
    (
        limit_errors.TooManyRuns(limit=10),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "TOO_MANY_RUNS",
        {"limit": "runs", "most": "10"},
    ),
    (
        limit_errors.TooManyStreams(limit=100),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "TOO_MANY_STREAMS",
        {"limit": "streams", "most": "100"},
    ),
    (errors.RunCancelled("run_1"), grpc.StatusCode.ABORTED, "RUN_CANCELLED", {"run_id": "run_1"}),
    (errors.RunInterrupted("run_1"), grpc.StatusCode.ABORTED, "RUN_INTERRUPTED", {"run_id": "run_1"}),
    (errors.AnswerRestarted("run_1"), grpc.StatusCode.ABORTED, "ANSWER_RESTARTED", {"run_id": "run_1"}),
    (tool_errors.UnknownToolServer("s"), grpc.StatusCode.NOT_FOUND, "TOOL_SERVER_NOT_FOUND", {"server": "s"}),
    (
        tool_errors.UnknownTool(server="s", tool="t"),
        grpc.StatusCode.NOT_FOUND,
        "TOOL_NOT_FOUND",
        {"server": "s", "tool": "t"},
    ),
    (
        tool_errors.ToolServerNotReady("it is down", server="s"),
        grpc.StatusCode.UNAVAILABLE,
        "TOOL_SERVER_UNAVAILABLE",
        {"server": "s"},
    ),
    (
        tool_errors.ToolForbidden(server="s", tool="t"),
        grpc.StatusCode.PERMISSION_DENIED,
        "TOOL_DENIED",
        {"server": "s", "tool": "t"},
    ),
    (
        tool_errors.ToolCallUnsettled(server="s", tool="t"),
        grpc.StatusCode.ABORTED,
        "TOOL_CALL_UNSETTLED",
        {"server": "s", "tool": "t"},
    ),
    (tool_call_errors.ToolCallNotFound("c"), grpc.StatusCode.NOT_FOUND, "TOOL_CALL_NOT_FOUND", {"id": "c"}),
    (
        tool_call_errors.ToolCallAlreadyDecided("c", "DENIED"),
        grpc.StatusCode.FAILED_PRECONDITION,
        "TOOL_CALL_DECIDED",
        {"id": "c", "state": "DENIED"},
    ),
    (
        tool_call_errors.ToolCallAlreadyEnded("c", "EXPIRED"),
        grpc.StatusCode.FAILED_PRECONDITION,
        "TOOL_CALL_ENDED",
        {"id": "c", "state": "EXPIRED"},
    ),
    (
        tool_call_errors.RunAwaitsDecision("run_1", "AWAITING_APPROVAL"),
        grpc.StatusCode.FAILED_PRECONDITION,
        "RUN_AWAITS_DECISION",
        {"run_id": "run_1", "status": "AWAITING_APPROVAL"},
    ),
    (voice_errors.VoiceUnavailable("nothing"), grpc.StatusCode.FAILED_PRECONDITION, "VOICE_UNAVAILABLE", {}),
    (voice_errors.VoiceServiceUnavailable("away"), grpc.StatusCode.UNAVAILABLE, "VOICE_SERVICE_UNAVAILABLE", {}),
    (voice_errors.VoiceServiceRefused("no"), grpc.StatusCode.UNAVAILABLE, "VOICE_SERVICE_REFUSED", {}),
    (
        voice_errors.VoiceSessionNotFound("talk"),
        grpc.StatusCode.NOT_FOUND,
        "VOICE_SESSION_NOT_FOUND",
        {"conversation_key": "talk"},
    ),
    (
        voice_errors.TooManyVoiceSessions("user", 2),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "TOO_MANY_VOICE_SESSIONS",
        {"limit": "user", "most": "2"},
    ),
    (errors.ShuttingDown(), grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", {}),
    (errors.StoreUnavailable(), grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", {}),
]


def details(status: status_pb2.Status) -> Iterator[Message]:
    """The details unpacked."""
    kinds = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
    for packed in status.details:
        for kind in kinds:
            if packed.Is(kind.DESCRIPTOR):
                detail = kind()
                packed.Unpack(detail)
                yield detail
                break
        else:
            raise AssertionError(f"an unknown detail: {packed.type_url}")


def concrete(kind: type[errors.ParleyError]) -> Iterator[type[errors.ParleyError]]:
    """The error classes that state a fact of their own."""
    if "reason" in kind.__dict__:
        yield kind
    for below in kind.__subclasses__():
        yield from concrete(below)


def test_every_error_class_has_a_code_and_a_reason_of_the_protos() -> None:
    everything = {kind for kind in concrete(errors.ParleyError) if kind.__module__.startswith("server.domain.")}
    assert set(CODES) == everything - {errors.RunFailed}
    assert {kind.reason for kind in CODES} <= REASONS


def test_every_reason_of_the_protos_is_an_error_class_or_a_run_reason() -> None:
    assert {kind.reason for kind in CODES} | set(RUN_CODES) | {
        reason_of(DeadlinePassed()),
        reason_of(HeadersTooMany()),
    } == REASONS
    assert set(RUN_CODES) >= RUN_REASONS


def test_the_examples_below_cover_the_table() -> None:
    assert {type(error) for error, *_ in EXAMPLES} == set(CODES)


@pytest.mark.parametrize(("error", "code", "reason", "metadata"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_a_fact_keeps_its_sentence_and_carries_error_info(
    error: errors.ParleyError, code: grpc.StatusCode, reason: str, metadata: dict[str, str]
) -> None:
    status = status_of(error, request_id="q")
    info = next(details(status))
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (status.code, status.message) == (code.value[0], error.message)
    assert (info.domain, info.reason, dict(info.metadata)) == ("parley", reason, metadata)


def test_what_is_wrong_with_no_field_in_particular_is_told_without_one() -> None:
    wrong = errors.InvalidField(
        [errors.FieldViolation("", "this is no message"), errors.FieldViolation("c", "is even")]
    )
    assert str(wrong) == "this is no message; c: is even"


def test_a_cursor_is_not_called_by_the_name_that_one_api_has_for_it() -> None:
    assert str(errors.CursorInFuture(cursor=9, last=5)) == "the cursor 9 is beyond the newest event, 5"


def test_field_violations_become_a_bad_request() -> None:
    error = errors.InvalidField([errors.FieldViolation("a.b[1]", "is odd"), errors.FieldViolation("c", "is even")])
    _, bad = details(status_of(error, request_id="q"))
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert [(each.field, each.description) for each in bad.field_violations] == [("a.b[1]", "is odd"), ("c", "is even")]


@pytest.mark.parametrize("error", [errors.QueueFull(limit=1), errors.ShuttingDown(), errors.StoreUnavailable()])
def test_what_can_be_sent_again_says_when(error: errors.ParleyError) -> None:
    _, retry = details(status_of(error, request_id="q"))
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToTimedelta() == timedelta(seconds=1)


@pytest.mark.parametrize(("reason", "code"), RUN_CODES.items())
def test_a_failed_run_is_told_under_its_own_reason(reason: str, code: grpc.StatusCode) -> None:
    status = status_of(errors.RunFailed(reason=reason, message="so it was"), request_id="q")
    info = next(details(status))
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (status.code, status.message, info.reason) == (code.value[0], "so it was", reason)


def test_a_rate_limited_run_says_how_long_to_wait() -> None:
    error = errors.RunFailed(reason="PROVIDER_RATE_LIMITED", message="slow", retry_after=timedelta(milliseconds=1500))
    _, retry = details(status_of(error, request_id="q"))
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToTimedelta() == timedelta(milliseconds=1500)


@pytest.mark.parametrize("error", [ValueError("secret"), KeyError("secret"), errors.ParleyError("secret")])
def test_an_unexpected_error_says_nothing_but_the_request_id(error: Exception) -> None:
    status = status_of(error, request_id="q-7")
    (info,) = details(status)
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert not is_expected(error)
    assert (code_of(error), reason_of(error)) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert (info.reason, dict(info.metadata)) == ("INTERNAL", {"request_id": "q-7"})
    assert b"secret" not in status.SerializeToString()


def test_a_passed_deadline_is_no_fault() -> None:
    status = status_of(DeadlinePassed(), request_id="q")
    assert is_expected(DeadlinePassed())
    assert (status.code, status.message) == (grpc.StatusCode.DEADLINE_EXCEEDED.value[0], "the call took too long")


def test_texts_are_cut_so_that_a_status_fits_into_its_trailers() -> None:
    name = "🦜" * 5000
    wide = errors.InvalidField([errors.FieldViolation(name, name)] * 100)
    for error in (errors.ConversationNotFound(name), errors.RunFailed(reason="X", message=name), wide):
        status = status_of(error, request_id="q")
        encoded = len(status.SerializeToString()) * 4 / 3 + len(status.message.encode()) * 3
        assert encoded < 8 * 1024 - 512
        assert status.message.endswith("…")
