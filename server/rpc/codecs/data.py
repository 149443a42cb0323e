"""Exports, erasures and retention of `parley.v1`."""

from parley.v1 import data_pb2 as pb

from server.application.erasures import BegunErasure
from server.application.exports import ExportEnd, ExportRecord
from server.domain.erasure import Erasure, ErasureState
from server.domain.retention import Retention
from server.rpc.codecs.struct import encode_struct
from server.rpc.codecs.timestamp import timestamp

_STATES = {
    ErasureState.UNDER_WAY: pb.ERASURE_STATE_UNDER_WAY,
    ErasureState.DONE: pb.ERASURE_STATE_DONE,
}
_DAYS = ("conversation_days", "archived_days", "event_days", "audit_days")


def encode_exported(shown: ExportRecord | ExportEnd) -> pb.ExportDataResponse:
    """A message of an export."""
    if isinstance(shown, ExportEnd):
        return pb.ExportDataResponse(end=pb.ExportEnd(count=shown.count, digest=shown.digest))
    record = pb.ExportRecord(kind=shown.kind, id=shown.id, data=encode_struct(shown.data))
    return pb.ExportDataResponse(cursor=shown.cursor, record=record)


def encode_begun(begun: BegunErasure) -> pb.EraseUserResponse:
    """The erasure that was asked for."""
    return pb.EraseUserResponse(
        erasure_id=begun.id, pseudonym=begun.pseudonym, requested_at=timestamp(begun.requested_at)
    )


def encode_erasure(erasure: Erasure) -> pb.Erasure:
    """How far an erasure has come."""
    return pb.Erasure(
        id=erasure.id,
        pseudonym=erasure.pseudonym,
        state=_STATES[erasure.state],
        requested_by=erasure.requested_by,
        requested_at=timestamp(erasure.requested_at),
        ended_at=timestamp(erasure.ended_at) if erasure.ended_at else None,
        conversations=erasure.conversations,
        rows=erasure.rows,
    )


def decode_retention(request: pb.SetRetentionRequest) -> Retention:
    """How long the tenant wants to keep what."""
    given = {field.name for field, _ in request.ListFields()}
    return Retention(**{name: getattr(request, name) if name in given else None for name in _DAYS})


def encode_retention(retention: Retention) -> pb.Retention:
    """How long the tenant keeps what."""
    return pb.Retention(
        conversation_days=retention.conversation_days,
        archived_days=retention.archived_days,
        event_days=retention.event_days,
        audit_days=retention.audit_days,
    )
