"""Records of the audit of `parley.v1`."""

from parley.v1 import audit_pb2 as pb

from server.domain.audit import AuditFilter, AuditRecord
from server.rpc.codecs.timestamp import moment, timestamp


def decode_filter(request: pb.ListAuditRecordsRequest) -> AuditFilter:
    """Which records are looked for."""
    return AuditFilter(
        actor=request.actor,
        subject=request.subject,
        act=request.act,
        object=request.object,
        outcome=request.outcome,
        since=moment("since", request.since) if request.HasField("since") else None,
        until=moment("until", request.until) if request.HasField("until") else None,
    )


def encode_record(record: AuditRecord) -> pb.AuditRecord:
    """One deed."""
    return pb.AuditRecord(
        id=record.id,
        actor=record.actor,
        subject=record.subject,
        act=record.deed.act.value,
        object=record.deed.object,
        created_at=timestamp(record.created_at),
        request_id=record.request_id,
        key_id=record.key_id,
        outcome=record.outcome,
        reason=record.reason,
        times=record.times,
    )
