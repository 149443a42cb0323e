"""Payloads and settings survive their JSON form, and old text stays readable."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.adapters.store.json_codec import JsonCodec, codec
from server.adapters.store.payloads import dump_payload, load_payload
from server.adapters.store.times import micros, moment
from server.domain.compaction import Compaction
from server.domain.conversation import ContextManagement, Settings
from server.domain.events import (
    ApprovalExpiring,
    AttemptReset,
    BranchActivated,
    ConversationCompacted,
    ConversationNamed,
    MessageCompleted,
    MessageStarted,
    Payload,
    ReasoningDelta,
    RunEnded,
    RunPaused,
    RunQueued,
    RunResumed,
    RunStarted,
    TextDelta,
    ToolCallDecided,
    ToolCallEnded,
    ToolCallRequested,
    ToolCallStarted,
)
from server.domain.generation import GenerationConfig
from server.domain.ids import MessageId
from server.domain.message import Message, ToolCall, Usage
from server.domain.run import RunError, RunState
from server.domain.tool import ToolSpec

WHOLE = st.integers(-(2**63), 2**63 - 1)
REAL = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.datetimes(timezones=st.just(UTC))
USAGES = st.builds(Usage, WHOLE, WHOLE, WHOLE)
COUNTS = ("version", "branch", "upto", "messages_summarized", "tokens_before", "tokens_after")
MESSAGES = st.builds(
    Message,
    created_at=TIMES,
    position=st.none() | WHOLE,
    usage=st.none() | USAGES,
    model=st.none() | st.text(),
    tool_calls=st.lists(st.builds(ToolCall)).map(tuple),
)
PAYLOADS: dict[type[Payload], st.SearchStrategy[Payload]] = {
    RunQueued: st.builds(RunQueued, MESSAGES),
    RunStarted: st.builds(RunStarted, MESSAGES),
    RunEnded: st.builds(RunEnded, usage=st.none() | USAGES),
    AttemptReset: st.builds(AttemptReset, WHOLE),
    MessageStarted: st.builds(MessageStarted),
    TextDelta: st.builds(TextDelta),
    ReasoningDelta: st.builds(ReasoningDelta),
    MessageCompleted: st.builds(MessageCompleted, MESSAGES),
    BranchActivated: st.builds(BranchActivated, WHOLE, WHOLE, WHOLE),
    ConversationCompacted: st.builds(
        ConversationCompacted,
        st.builds(Compaction, created_at=TIMES, run_id=st.none() | st.text(), **dict.fromkeys(COUNTS, WHOLE)),
    ),
    ConversationNamed: st.builds(ConversationNamed),
    RunPaused: st.builds(RunPaused, expires_at=st.none() | TIMES),
    RunResumed: st.builds(RunResumed),
    ToolCallRequested: st.builds(ToolCallRequested, server=st.none() | st.text(), expires_at=st.none() | TIMES),
    ToolCallDecided: st.builds(ToolCallDecided, reason=st.none() | st.text(), decided_by=st.none() | st.text()),
    ToolCallStarted: st.builds(ToolCallStarted),
    ToolCallEnded: st.builds(ToolCallEnded, duration=st.none() | st.timedeltas(timedelta(0), timedelta(days=9))),
    ApprovalExpiring: st.builds(ApprovalExpiring, expires_at=TIMES),
}
SETTINGS = st.builds(
    Settings, mcp_servers=st.lists(st.text()).map(tuple), client_tools=st.lists(st.builds(ToolSpec)).map(tuple)
)
GENERATIONS = st.builds(
    GenerationConfig, temperature=st.none() | REAL, top_p=st.none() | REAL, max_tokens=st.none() | WHOLE
)
CONTEXTS = st.builds(ContextManagement, max_history_messages=WHOLE)
ERRORS = st.builds(RunError, retry_after=st.none() | st.timedeltas(timedelta(days=-9999), timedelta(days=9999)))


@given(st.one_of(*PAYLOADS.values()))
def test_every_payload_survives(payload: Payload) -> None:
    assert load_payload(*dump_payload(payload)) == payload


def test_every_payload_of_the_domain_is_tried() -> None:
    assert PAYLOADS.keys() == set(get_args(Payload))


@given(SETTINGS, GENERATIONS, CONTEXTS, ERRORS)
def test_every_nested_value_survives(
    settings: Settings, generation: GenerationConfig, context: ContextManagement, error: RunError
) -> None:
    assert codec(Settings).loads(codec(Settings).dumps(settings)) == settings
    assert codec(GenerationConfig).loads(codec(GenerationConfig).dumps(generation)) == generation
    assert codec(ContextManagement).loads(codec(ContextManagement).dumps(context)) == context
    assert codec(RunError).loads(codec(RunError).dumps(error)) == error


@given(TIMES)
def test_every_moment_survives_to_the_microsecond(time: datetime) -> None:
    assert moment(micros(time)) == time
    assert moment(micros(time)).tzinfo is UTC


def test_the_stored_form_is_compact_and_fixed() -> None:
    """Rows that are stored today are read by every later version."""
    assert dump_payload(TextDelta(MessageId("m"), "ä\n")) == ("text_delta", '{"message_id":"m","text":"ä\\n"}')
    assert dump_payload(RunEnded(RunState.COMPLETED)) == ("run_ended", '{"state":"COMPLETED"}')
    assert codec(Settings).dumps(Settings()) == "{}"
    assert codec(RunError).dumps(RunError("R", "m", timedelta(seconds=1))) == (
        '{"reason":"R","message":"m","retry_after":1000000}'
    )


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert codec(Settings).loads('{"system_prompt":"x","mood":"good"}') == Settings("x")


@dataclass(frozen=True)
class _WithSet:
    names: frozenset[str]


def test_a_class_without_a_json_form_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        JsonCodec(_WithSet)
