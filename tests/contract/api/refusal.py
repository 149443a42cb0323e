"""How a call was refused, as a client reads it from the status."""

from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no stubs

_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client learns of a refused call; `http_status` and whatever a transport does not show is `None`."""

    code: str | None
    reason: str | None
    message: str
    metadata: dict[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    retry_seconds: float | None = None
    http_status: int | None = None
    detail: str | None = None
    """The whole of an error body that is a text and nothing else."""
    is_plain: bool = False
    """Whether the dialect's error body is a message alone: it shows neither reason nor fields."""


def refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """Read the status of a failed gRPC call. A status without details has neither reason nor fields."""
    status = _rich_status(error)
    info = _detail(status, error_details_pb2.ErrorInfo)
    bad = _detail(status, error_details_pb2.BadRequest)
    retry = _detail(status, error_details_pb2.RetryInfo)
    return Refusal(
        code=error.code().name,
        reason=info.reason if info else None,
        message=error.details() or "",
        metadata=dict(info.metadata) if info else {},
        fields=tuple(violation.field for violation in bad.field_violations) if bad else (),
        retry_seconds=retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
    )


def _rich_status(error: grpc.aio.AioRpcError) -> Any:
    for name, value in error.trailing_metadata():
        if name == _DETAILS:
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()


def _detail(status: Any, kind: Any) -> Any:
    for packed in status.details:
        if packed.Is(kind.DESCRIPTOR):
            return kind.FromString(packed.value)
    return None
