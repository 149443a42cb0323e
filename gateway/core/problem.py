"""What went wrong with a request, as one value for all who show it: JSON replies, stream events, other protocols."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from gateway.core.status import Code, code_of

DOMAIN = "gateway"
"""`ErrorInfo.domain` of the errors that the gateway makes itself."""
DETAILS_KEY = "grpc-status-details-bin"
_TYPE_PREFIX = "type.googleapis.com/"


class Violation(NamedTuple):
    """What is wrong with one part of a request: a field's path as the caller spelt it, or a header's name."""

    field: str
    description: str


class Detail(NamedTuple):
    """One status detail, as `google.protobuf.Any` carries it."""

    type_url: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """An error status with all that its details say; every text in it may be shown to the caller."""

    code: Code
    message: str
    reason: str = ""
    """The `ErrorInfo` reason; empty: none."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The `ErrorInfo` metadata."""
    violations: tuple[Violation, ...] = ()
    retry_after: float | None = None
    """Seconds that `RetryInfo` asks to wait."""
    details: tuple[Detail, ...] = ()
    http_status: int | None = None
    """Given by the gateway where no gRPC code says it (405, 413, 415 …); None: that of the code."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Reply headers that belong to the error (`Allow`)."""


class Refused(Exception):
    """The gateway itself refuses a request."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


def refused(
    code: Code,
    message: str,
    *,
    reason: str,
    http_status: int | None = None,
    violations: Iterable[Violation] = (),
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Refused:
    """Make a refusal with the details that a service would send: `ErrorInfo`, and `BadRequest` for violations."""
    violations = tuple(violations)
    details = [_packed(error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN))]
    if violations:
        bad = error_details_pb2.BadRequest()
        for violation in violations:
            bad.field_violations.add(field=violation.field, description=violation.description)
        details.append(_packed(bad))
    return Refused(
        Problem(
            code,
            message,
            reason=reason,
            violations=violations,
            details=tuple(details),
            http_status=http_status,
            headers=headers,
        )
    )


def invalid(part: str, description: str, *, reason: str = "INVALID_FIELD", whole: str = "") -> Refused:
    """Make the refusal of one part of a request: 400, unless the dialect has another status for it. Without a part
    `whole` is what the sentence is about; "" when the description says so itself."""
    message = f"{part}: {description}" if part else f"{whole} {description}".lstrip()
    violations = (Violation(part, description),)
    return refused(Code.INVALID_ARGUMENT, _shown(message), reason=reason, violations=violations)


def problem_of(number: int, message: str, details: bytes | None) -> Problem:
    """Read an upstream's status; `details` is its `grpc-status-details-bin`, ignored where it is not readable."""
    code = code_of(number)
    packed = _unpacked(details)
    reason, retry_after = "", None
    metadata: dict[str, str] = {}
    violations: tuple[Violation, ...] = ()
    for detail in packed:
        match _known(detail):
            case error_details_pb2.ErrorInfo() as info if not reason:
                reason, metadata = info.reason, dict(info.metadata)
            case error_details_pb2.BadRequest() as bad:
                violations = tuple(Violation(each.field, each.description) for each in bad.field_violations)
            case error_details_pb2.RetryInfo() as retry:
                retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
            case _:
                pass
    return Problem(
        code,
        _shown(message),
        reason=reason,
        metadata=metadata,
        violations=violations,
        retry_after=retry_after,
        details=packed,
    )


def _packed(message: Message) -> Detail:
    return Detail(_TYPE_PREFIX + message.DESCRIPTOR.full_name, message.SerializeToString())


def _unpacked(details: bytes | None) -> tuple[Detail, ...]:
    if not details:
        return ()
    try:
        status = status_pb2.Status.FromString(details)
    except DecodeError:
        return ()
    return tuple(Detail(each.type_url, each.value) for each in status.details)


_KNOWN: dict[str, type[Message]] = {
    _TYPE_PREFIX + each.DESCRIPTOR.full_name: each
    for each in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
}


def _known(detail: Detail) -> Message | None:
    kind = _KNOWN.get(detail.type_url)
    if kind is None:
        return None
    try:
        return kind.FromString(detail.value)
    except DecodeError:
        return None


def _shown(message: str) -> str:
    """Give a text that can be written as UTF-8: a lone surrogate would break the reply that tells of it."""
    return message if message.isascii() else message.encode(errors="replace").decode()
