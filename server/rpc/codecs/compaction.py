"""Compactions of `parley.v1`."""

from collections.abc import Mapping
from typing import Final

from parley.v1 import compaction_pb2, thread_pb2

from server.application.compactions import Compacted
from server.domain.compaction import Compaction, CompactionCause
from server.rpc.codecs.timestamp import stamp

CAUSES: Final[Mapping[CompactionCause, compaction_pb2.CompactionCause.ValueType]] = {
    CompactionCause.ON_DEMAND: compaction_pb2.COMPACTION_CAUSE_ON_DEMAND,
    CompactionCause.AUTOMATIC: compaction_pb2.COMPACTION_CAUSE_AUTOMATIC,
}


def write_compaction(into: thread_pb2.Compaction, compaction: Compaction) -> None:
    """Fill a compaction in where it belongs."""
    into.id = compaction.id
    stamp(into.created_at, compaction.created_at)
    into.messages_summarized = compaction.messages_summarized
    into.tokens_before = compaction.tokens_before
    into.tokens_after = compaction.tokens_after
    into.version = compaction.version
    into.summary = compaction.text
    into.model = compaction.model
    into.cause = CAUSES[compaction.cause]
    into.branch = compaction.branch
    if compaction.run_id is not None:
        into.run_id = compaction.run_id


def encode_compacted(compacted: Compacted) -> thread_pb2.CompactConversationResponse:
    """What a compaction on demand came to."""
    encoded = thread_pb2.CompactConversationResponse(
        compacted=compacted.is_new,
        tokens_before=compacted.tokens_before,
        tokens_after=compacted.tokens_after,
        tokens_saved=compacted.tokens_saved,
    )
    if compacted.compaction is not None:
        write_compaction(encoded.compaction, compacted.compaction)
    return encoded
