"""Codecs: every field of every message arrives, and every domain value has its word on the wire."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message as ProtoMessage
from parley.conversations.v1 import conversations_pb2
from parley.v1 import event_pb2, message_pb2, run_pb2, thread_pb2, tool_call_pb2

from server.application.approvals import PendingApproval
from server.application.branches import ListedBranch
from server.application.catalogue import OfferedModel
from server.application.organization_conversations import MessageSlice
from server.application.paging import Page
from server.application.threads import ConversationState
from server.domain import events
from server.domain.attachment import Attachment
from server.domain.branch import Branch, BranchCause
from server.domain.compaction import Compaction, CompactionCause
from server.domain.conversation import (
    ContextManagement,
    ContextStrategy,
    Conversation,
    ConversationSummary,
    InterruptPolicy,
    Settings,
)
from server.domain.errors import InvalidField
from server.domain.generation import GenerationConfig
from server.domain.ids import (
    ApprovalId,
    CompactionId,
    ConversationId,
    FileId,
    MessageId,
    ModelId,
    OrganizationId,
    RunId,
    SessionId,
    ToolCallId,
    UserId,
    model_id,
)
from server.domain.message import GeneratedImage, Message, MessageStatus, Role, Spoken, ToolCall, Usage
from server.domain.model import Model
from server.domain.organization import Member, MemberRole, Membership
from server.domain.principal import Owner
from server.domain.run import ACTIVE_STATES, Run, RunError, RunState
from server.domain.session import ChatSession, SessionStatus
from server.domain.tool import Approval, Decision, ToolCallState, ToolInvocation, ToolSpec
from server.domain.usage import CallKind
from server.rpc.codecs import branch as branch_codec
from server.rpc.codecs import conversations as conversations_codec
from server.rpc.codecs import event as event_codec
from server.rpc.codecs import message as message_codec
from server.rpc.codecs import organizations as organizations_codec
from server.rpc.codecs import run as run_codec
from server.rpc.codecs import thread as thread_codec
from server.rpc.codecs import tool_call as tool_call_codec
from server.rpc.codecs.timestamp import timestamp
from server.rpc.codecs.usage import KINDS

MORNING = datetime(2026, 11, 21, 8, 30, 0, 250_001, UTC)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MORNING_TEXT, NOON_TEXT = "2026-11-21T08:30:00.250001Z", "2026-11-21T12:00:00Z"

CALL = ToolCallId("call_1")

COMPACTION = Compaction(
    id=CompactionId("s-1"),
    conversation_id=ConversationId("c-1"),
    version=3,
    branch=2,
    upto=12,
    text="They met.",
    messages_summarized=12,
    tokens_before=400,
    tokens_after=9,
    model="parrot",
    provider="zoo",
    cause=CompactionCause.AUTOMATIC,
    created_at=NOON,
    run_id=RunId("run_1"),
)
COMPACTION_JSON = {
    "id": "s-1",
    "created_at": NOON_TEXT,
    "version": 3,
    "summary": "They met.",
    "messages_summarized": 12,
    "tokens_before": 400,
    "tokens_after": 9,
    "model": "parrot",
    "cause": "COMPACTION_CAUSE_AUTOMATIC",
    "branch": 2,
    "run_id": "run_1",
}
MESSAGE = Message(
    id=MessageId("m-1"),
    conversation_id=ConversationId("c-1"),
    role=Role.ASSISTANT,
    content="Hello",
    created_at=MORNING,
    status=MessageStatus.COMPLETE,
    position=2,
    run_id=RunId("run_1"),
    session_id=SessionId("s-1"),
    model="openai/gpt-4o",
    provider="openrouter",
    reasoning="They greet.",
    tool_calls=(ToolCall("t-1", "clock", "{}"),),
    tool_call_id="t-0",
    usage=Usage(3, 4, 7),
    image=GeneratedImage("painter", "A dot", FileId("f-1")),
    actor="service",
    attachments=(Attachment(FileId("f-2"), "a.png", "image/png", 2**33, "00", tokens=255, is_deleted=True),),
    spoken=Spoken(3, MORNING),
)
MESSAGE_JSON = {
    "id": "m-1",
    "role": "ROLE_ASSISTANT",
    "content": "Hello",
    "created_at": MORNING_TEXT,
    "status": "MESSAGE_STATUS_COMPLETE",
    "run_id": "run_1",
    "model": "openai/gpt-4o",
    "reasoning_content": "They greet.",
    "tool_calls": [{"id": "t-1", "name": "clock", "arguments": "{}"}],
    "tool_call_id": "t-0",
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    "image": {"model": "painter", "prompt": "A dot", "file_id": "f-1"},
    "actor": "service",
    "attachments": [
        {"file_id": "f-2", "name": "a.png", "media_type": "image/png", "size_bytes": str(2**33), "deleted": True}
    ],
    "spoken_content": "Hel",
}
RUN = Run(
    id=RunId("run_1"),
    owner=Owner("acme", "anna"),
    conversation_id=ConversationId("c-1"),
    conversation_key="talk",
    state=RunState.FAILED,
    user_message_id=MessageId("m-0"),
    model="openai/gpt-4o",
    provider="openrouter",
    generation=GenerationConfig(),
    created_at=MORNING,
    epoch=2,
    started_at=MORNING,
    ended_at=NOON,
    error=RunError("PROVIDER_RATE_LIMITED", "slow down", timedelta(seconds=2, milliseconds=500)),
    usage=Usage(3, 4, 7),
    actor="service",
)
RUN_JSON = {
    "id": "run_1",
    "conversation_key": "talk",
    "status": "RUN_STATUS_FAILED",
    "model": "openai/gpt-4o",
    "created_at": MORNING_TEXT,
    "started_at": MORNING_TEXT,
    "ended_at": NOON_TEXT,
    "error": {"reason": "PROVIDER_RATE_LIMITED", "message": "slow down", "retry_after": "2.500s"},
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    "user_message_id": "m-0",
    "attempt": 2,
    "actor": "service",
}
GENERATION = GenerationConfig(model="m", temperature=0.0, max_tokens=7, top_p=0.5)
GENERATION_JSON = {"model": "m", "temperature": 0.0, "max_tokens": 7, "top_p": 0.5}
INVOCATION = ToolInvocation(
    id=CALL,
    conversation_id=ConversationId("c-1"),
    run_id=RunId("run_1"),
    message_id=MessageId("m-1"),
    ordinal=0,
    epoch=1,
    name="time__now",
    arguments="{}",
    state=ToolCallState.AWAITING_APPROVAL,
    requested_at=MORNING,
    server="time",
    tool="now",
    definition_digest="d",
    expires_at=NOON,
)
APPROVAL = Approval(
    id=ApprovalId("a-1"),
    tool_call_id=CALL,
    conversation_id=ConversationId("c-1"),
    run_id=RunId("run_1"),
    epoch=1,
    definition_digest="d",
    arguments_digest=INVOCATION.arguments_digest,
    requested_at=MORNING,
    expires_at=NOON,
)
CLIENT_CALL_JSON = {
    "tool_call_id": "call_1",
    "run_id": "run_1",
    "tool_name": "page_title",
    "arguments": "{}",
    "requested_at": MORNING_TEXT,
    "expires_at": NOON_TEXT,
}
PENDING_JSON = {**CLIENT_CALL_JSON, "server_name": "time", "tool_name": "now"}
TOOL = ToolSpec("page_title", "The page's title.", '{"properties":{"size":{"maximum":5}},"type":"object"}')
TOOL_JSON = {
    "name": "page_title",
    "description": "The page's title.",
    "input_schema": {"properties": {"size": {"maximum": 5.0}}, "type": "object"},
}
CONVERSATION = Conversation(
    id=ConversationId("c-1"),
    owner=Owner("acme", "anna"),
    key="talk",
    name="A talk",
    created_at=MORNING,
    updated_at=NOON,
    archived=True,
    settings=Settings("Be brief.", InterruptPolicy.INTERRUPT, ("time",), (TOOL,)),
    generation=GENERATION,
    context_management=ContextManagement(ContextStrategy.SUMMARIZE, 12),
    last_sequence=41,
    branch=2,
)
SESSION = ChatSession(
    id=SessionId("s-1"),
    conversation_id=ConversationId("c-1"),
    model_id=ModelId("o-1"),
    created_at=MORNING,
    updated_at=NOON,
    status=SessionStatus.COMPLETED,
)
SESSION_JSON = {
    "id": "s-1",
    "conversation_id": "c-1",
    "model_id": "o-1",
    "status": "SESSION_STATUS_COMPLETED",
    "created_at": MORNING_TEXT,
    "updated_at": NOON_TEXT,
}


def shown(message: ProtoMessage) -> dict[str, Any]:
    """What is set in a message, in proto spelling."""
    return MessageToDict(message, preserving_proto_field_name=True)


def fields(kind: type[ProtoMessage]) -> set[str]:
    """The names of all fields."""
    return {field.name for field in kind.DESCRIPTOR.fields}


@pytest.mark.parametrize(
    ("codes", "words", "enum"),
    [
        (message_codec.ROLES, Role, message_pb2.Role),
        (message_codec.STATUSES, MessageStatus, message_pb2.MessageStatus),
        (run_codec.STATES, RunState, run_pb2.RunStatus),
        (run_codec.POLICIES, InterruptPolicy, run_pb2.InterruptPolicy),
        (branch_codec.CAUSES, BranchCause, thread_pb2.BranchCause),
        (thread_codec.STRATEGIES, ContextStrategy, thread_pb2.ContextStrategy),
        (tool_call_codec.CALL_STATES, ToolCallState, tool_call_pb2.ToolCallState),
        (tool_call_codec.DECISIONS, Decision, tool_call_pb2.ToolCallDecision),
        (conversations_codec.ROLES, Role, conversations_pb2.Role),
        (conversations_codec.STATUSES, SessionStatus, conversations_pb2.SessionStatus),
    ],
)
def test_enum_tables_are_complete_and_name_the_same(codes: dict[Enum, int], words: type[Enum], enum: Any) -> None:
    assert set(codes) == set(words)
    assert sorted(codes.values()) == [number for number in enum.values() if number]
    for word, number in codes.items():
        assert enum.Name(number).endswith(f"_{word.value.upper()}")


def test_a_thread_shows_what_its_active_run_does() -> None:
    assert set(thread_codec.STATUSES) == {None, *ACTIVE_STATES}
    for state, number in thread_codec.STATUSES.items():
        word = "IDLE" if state is None else state.value
        assert thread_pb2.ThreadStatus.Name(number) == f"THREAD_STATUS_{word}"


def test_timestamps_are_exact_also_before_the_epoch() -> None:
    for moment in (MORNING, NOON, datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)):
        assert timestamp(moment).ToDatetime(UTC) == moment


def _written(message: Message) -> message_pb2.Message:
    into = message_pb2.Message()
    message_codec.write_message(into, message)
    return into


def test_message() -> None:
    assert shown(_written(MESSAGE)) == MESSAGE_JSON
    assert set(MESSAGE_JSON) == fields(message_pb2.Message)


def test_what_a_message_lacks_stays_unset() -> None:
    bare = Message(MessageId("m"), ConversationId("c"), Role.USER, "Hi", MORNING, MessageStatus.QUEUED)
    assert shown(_written(bare)) == {
        "id": "m",
        "role": "ROLE_USER",
        "content": "Hi",
        "created_at": MORNING_TEXT,
        "status": "MESSAGE_STATUS_QUEUED",
    }


def test_run() -> None:
    assert shown(run_codec.encode_run(RUN)) == RUN_JSON
    assert set(RUN_JSON) == fields(run_pb2.Run)


def test_what_a_waiting_run_lacks_stays_unset() -> None:
    waiting = replace(RUN, state=RunState.QUEUED, epoch=0, started_at=None, ended_at=None, error=None, usage=None)
    assert set(RUN_JSON) - set(shown(run_codec.encode_run(waiting))) == {
        "started_at",
        "ended_at",
        "error",
        "usage",
        "attempt",
    }


def test_a_run_may_fail_without_a_time_to_wait() -> None:
    failed = replace(RUN, error=RunError("PROVIDER_TIMEOUT", "no token"))
    assert shown(run_codec.encode_run(failed))["error"] == {"reason": "PROVIDER_TIMEOUT", "message": "no token"}


def test_pages() -> None:
    assert shown(run_codec.encode_runs(Page([RUN], "next"))) == {"runs": [RUN_JSON], "next_page_token": "next"}
    assert shown(thread_codec.encode_messages(Page([MESSAGE], None))) == {"messages": [MESSAGE_JSON]}
    threads = thread_codec.encode_threads(Page([ConversationSummary(CONVERSATION, None)], "next"))
    assert (threads.threads[0].id, threads.next_page_token) == ("c-1", "next")
    assert not thread_codec.encode_threads(Page([], None)).HasField("next_page_token")


def test_accepted_send() -> None:
    assert shown(run_codec.encode_accepted(replace(RUN, state=RunState.QUEUED))) == {
        "run_id": "run_1",
        "status": "RUN_STATUS_QUEUED",
    }


def test_generation_configuration_both_ways() -> None:
    encoded = run_codec.encode_generation(GENERATION)
    assert shown(encoded) == GENERATION_JSON
    assert set(GENERATION_JSON) == fields(run_pb2.GenerationConfig)
    assert run_codec.decode_generation(encoded) == GENERATION
    assert run_codec.decode_generation(run_pb2.GenerationConfig()) == GenerationConfig()


def test_client_tools_both_ways() -> None:
    encoded = tool_call_codec.encode_client_tool(TOOL)
    assert shown(encoded) == TOOL_JSON
    assert set(TOOL_JSON) == fields(tool_call_pb2.ClientTool)
    bare = tool_call_pb2.ClientTool(name="bare")
    assert tool_call_codec.decode_client_tools([encoded, bare], field="x") == (
        TOOL,
        ToolSpec("bare", "", '{"type":"object"}'),
    )


def test_every_kind_of_json_in_a_schema_survives() -> None:
    schema = '{"a":[1,2.5,null,true,"é",{}],"b":{"c":[]},"type":"object"}'
    tool = ToolSpec("t", "", schema)
    assert tool_call_codec.decode_client_tools([tool_call_codec.encode_client_tool(tool)], field="x") == (tool,)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_know_is_refused(number: float) -> None:
    tool = tool_call_pb2.ClientTool(name="t")
    tool.input_schema.update({"maximum": number})
    with pytest.raises(InvalidField, match=r"tools\[0\]\.input_schema"):
        tool_call_codec.decode_client_tools([tool], field="tools")


def test_what_a_change_of_settings_does_not_name_stays() -> None:
    old = Settings("Be brief.", InterruptPolicy.INTERRUPT, ("time",), (TOOL,))
    assert thread_codec.decode_settings(thread_pb2.Settings()).applied_to(old) == old
    emptied = thread_pb2.Settings(
        system_prompt="", mcp_servers=thread_pb2.McpServerNames(), client_tools=thread_pb2.ClientTools()
    )
    assert thread_codec.decode_settings(emptied).applied_to(old) == Settings(None, InterruptPolicy.INTERRUPT)
    assert thread_codec.decode_settings(thread_codec.encode_settings(old)).applied_to(Settings()) == old


def test_send_command() -> None:
    request = run_pb2.SendMessageRequest(
        conversation_key="talk",
        user_message=run_pb2.UserMessage(role=message_pb2.ROLE_USER, content="Hi"),
        request_id="r",
        generation_config=run_pb2.GenerationConfig(temperature=0),
    )
    command = run_codec.decode_send(request)
    assert (command.conversation_key, command.content, command.request_id) == ("talk", "Hi", "r")
    assert command.generation == GenerationConfig(temperature=0)


PAYLOADS: list[tuple[events.Payload, str, dict[str, Any]]] = [
    (events.RunQueued(MESSAGE), "run_queued", {"message": MESSAGE_JSON}),
    (events.RunStarted(MESSAGE, "gpt"), "run_started", {"message": MESSAGE_JSON, "model": "gpt"}),
    (
        events.RunEnded(RunState.FAILED, "PROVIDER_TIMEOUT", "no token", Usage(3, 4, 7), ended_by="anna"),
        "run_ended",
        {
            "status": "FAILED",
            "reason": "PROVIDER_TIMEOUT",
            "message": "no token",
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
            "ended_by": "anna",
        },
    ),
    (events.AttemptReset(2), "attempt_reset", {"attempt": 2}),
    (
        events.MessageStarted(MessageId("m-1"), Role.ASSISTANT, "gpt"),
        "message_started",
        {"message_id": "m-1", "role": "ROLE_ASSISTANT", "model": "gpt"},
    ),
    (events.TextDelta(MessageId("m-1"), "Hel"), "text_delta", {"message_id": "m-1", "text": "Hel"}),
    (events.ReasoningDelta(MessageId("m-1"), "Hm"), "reasoning_delta", {"message_id": "m-1", "text": "Hm"}),
    (events.MessageCompleted(MESSAGE), "message_completed", {"message": MESSAGE_JSON}),
    (
        events.BranchActivated(3, 4, 6, MessageId("m-9")),
        "branch_activated",
        {"branch": 3, "shared_messages": 4, "message_count": 6, "source_message_id": "m-9"},
    ),
    (
        events.ConversationCompacted(COMPACTION),
        "conversation_compacted",
        {
            "compaction_id": "s-1",
            "version": 3,
            "summary": "They met.",
            "messages_summarized": 12,
            "tokens_before": 400,
            "tokens_after": 9,
            "model": "parrot",
            "cause": "COMPACTION_CAUSE_AUTOMATIC",
            "branch": 2,
        },
    ),
    (events.ConversationNamed("Parrots"), "thread_named", {"name": "Parrots"}),
    (
        events.RunPaused(RunState.AWAITING_APPROVAL, NOON),
        "run_paused",
        {"status": "AWAITING_APPROVAL", "expires_at": NOON_TEXT},
    ),
    (events.RunResumed(), "run_resumed", {}),
    (
        events.ToolCallRequested(CALL, "time__now", "{}", ToolCallState.AWAITING_APPROVAL, "time", "now", NOON),
        "tool_call_requested",
        {
            "tool_call_id": "call_1",
            "name": "time__now",
            "server_name": "time",
            "tool_name": "now",
            "arguments": "{}",
            "state": "TOOL_CALL_STATE_AWAITING_APPROVAL",
            "expires_at": NOON_TEXT,
        },
    ),
    (
        events.ToolCallDecided(CALL, Decision.DENIED, "too dear", UserId("u-1")),
        "tool_call_decided",
        {
            "tool_call_id": "call_1",
            "decision": "TOOL_CALL_DECISION_DENIED",
            "reason": "too dear",
            "decided_by": "u-1",
        },
    ),
    (events.ToolCallStarted(CALL), "tool_call_started", {"tool_call_id": "call_1"}),
    (
        events.ToolCallEnded(CALL, ToolCallState.FAILED, timedelta(seconds=1, milliseconds=500)),
        "tool_call_ended",
        {"tool_call_id": "call_1", "state": "TOOL_CALL_STATE_FAILED", "is_error": True, "duration": "1.500s"},
    ),
    (
        events.ApprovalExpiring(CALL, NOON),
        "approval_expiring",
        {"tool_call_id": "call_1", "expires_at": NOON_TEXT},
    ),
]


@pytest.mark.parametrize("state", ToolCallState)
def test_only_a_success_is_no_error(state: ToolCallState) -> None:
    event = events.Event(ConversationId("c-1"), "talk", 5, MORNING, events.ToolCallEnded(CALL, state))
    ended = event_codec.encode_event(event).tool_call_ended
    assert ended.is_error == (state is not ToolCallState.SUCCEEDED)
    assert not ended.HasField("duration")


def test_a_call_that_waits_for_nobody_shows_no_server_and_no_end() -> None:
    requested = events.ToolCallRequested(CALL, "page_title", "{}", ToolCallState.REFUSED)
    event = events.Event(ConversationId("c-1"), "talk", 5, MORNING, requested)
    assert shown(event_codec.encode_event(event))["tool_call_requested"] == {
        "tool_call_id": "call_1",
        "name": "page_title",
        "arguments": "{}",
        "state": "TOOL_CALL_STATE_REFUSED",
    }


def test_an_event_names_who_acted_in_the_owners_name() -> None:
    event = events.Event(ConversationId("c-1"), "talk", 5, MORNING, events.AttemptReset(2), actor="support")
    assert shown(event_codec.encode_event(event))["actor"] == "support"


@pytest.mark.parametrize(("payload", "member", "content"), PAYLOADS, ids=lambda value: type(value).__name__)
def test_event(payload: events.Payload, member: str, content: dict[str, Any]) -> None:
    event = events.Event(ConversationId("c-1"), "talk", 5, MORNING, payload, RunId("run_1"), 2)
    assert shown(event_codec.encode_event(event)) == {
        "sequence": "5",
        "conversation_key": "talk",
        "run_id": "run_1",
        "epoch": 2,
        "created_at": MORNING_TEXT,
        member: content,
    }
    kind = event_pb2.Event.DESCRIPTOR.fields_by_name[member].message_type
    assert kind is not None
    assert set(content) == {field.name for field in kind.fields}


def test_every_kind_of_event_is_tested_and_encoded() -> None:
    members = {field.name for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["payload"].fields}
    assert {member for _, member, _ in PAYLOADS} | {"heartbeat", "draining"} == members
    assert shown(event_codec.encode_shown(None, "talk")) == {"conversation_key": "talk", "heartbeat": {}}
    warning = event_codec.encode_shown(events.Draining(7), "talk")
    assert shown(warning) == {"conversation_key": "talk", "draining": {"after_sequence": "7"}}


def test_thread() -> None:
    thread = shown(thread_codec.encode_thread(ConversationSummary(CONVERSATION, RunState.RUNNING)))
    assert thread == {
        "id": "c-1",
        "conversation_key": "talk",
        "name": "A talk",
        "created_at": MORNING_TEXT,
        "updated_at": NOON_TEXT,
        "status": "THREAD_STATUS_RUNNING",
        "archived": True,
    }
    assert set(thread) == fields(thread_pb2.Thread)


def test_branch() -> None:
    branch = Branch(2, 1, 3, BranchCause.EDIT, MORNING, 5, MessageId("m-1"))
    encoded = shown(branch_codec.encode_branch(ListedBranch(branch, is_active=True)))
    assert encoded == {
        "number": 2,
        "parent": 1,
        "shared_messages": 3,
        "message_count": 5,
        "cause": "BRANCH_CAUSE_EDIT",
        "source_message_id": "m-1",
        "created_at": MORNING_TEXT,
        "active": True,
    }
    assert set(encoded) == fields(thread_pb2.Branch)


def test_state() -> None:
    active = replace(RUN, state=RunState.RUNNING)
    queued = replace(MESSAGE, status=MessageStatus.QUEUED)
    waiting = PendingApproval(INVOCATION, APPROVAL)
    client_call = replace(INVOCATION, server=None, tool="", name="page_title")
    found = ConversationState(CONVERSATION, active, [MESSAGE], [queued], [COMPACTION], [waiting], [client_call])
    state = shown(thread_codec.encode_state(found))
    assert state == {
        "id": "c-1",
        "conversation_key": "talk",
        "name": "A talk",
        "messages": [MESSAGE_JSON],
        "status": "THREAD_STATUS_RUNNING",
        "generation_config": GENERATION_JSON,
        "settings": {
            "system_prompt": "Be brief.",
            "interrupt_policy": "INTERRUPT_POLICY_INTERRUPT",
            "mcp_servers": {"names": ["time"]},
            "client_tools": {"tools": [TOOL_JSON]},
            "memory": {"inject": False, "extract": False, "most": 8},
        },
        "context_management_settings": {"strategy": "CONTEXT_STRATEGY_SUMMARIZE", "max_history_messages": 12},
        "active_run": {**RUN_JSON, "status": "RUN_STATUS_RUNNING"},
        "compaction_history": [COMPACTION_JSON],
        "queued_messages": [{**MESSAGE_JSON, "status": "MESSAGE_STATUS_QUEUED"}],
        "pending_tool_approvals": [PENDING_JSON],
        "pending_client_tool_calls": [CLIENT_CALL_JSON],
        "created_at": MORNING_TEXT,
        "updated_at": NOON_TEXT,
        "last_sequence": "41",
        "archived": True,
        "branch": 2,
    }
    assert set(state) == fields(thread_pb2.ConversationState)
    assert set(PENDING_JSON) == fields(thread_pb2.PendingToolApproval)
    assert set(CLIENT_CALL_JSON) == fields(thread_pb2.PendingClientToolCall)


def test_an_idle_thread_has_no_active_run() -> None:
    state = thread_codec.encode_state(ConversationState(CONVERSATION, None, [], [], []))
    assert state.status == thread_pb2.THREAD_STATUS_IDLE
    assert not state.HasField("active_run")


def test_unspecified_settings_keep_the_current_ones() -> None:
    assert run_codec.decode_policy(run_pb2.INTERRUPT_POLICY_UNSPECIFIED) is None
    assert thread_codec.decode_strategy(thread_pb2.CONTEXT_STRATEGY_UNSPECIFIED) is None
    for policy, number in run_codec.POLICIES.items():
        assert run_codec.decode_policy(number) is policy
    for strategy, code in thread_codec.STRATEGIES.items():
        assert thread_codec.decode_strategy(code) is strategy


def test_conversation_with_sessions() -> None:
    flat = {
        "id": "c-1",
        "title": "A talk",
        "is_archived": True,
        "created_at": MORNING_TEXT,
        "updated_at": NOON_TEXT,
    }
    assert shown(conversations_codec.encode_conversation(CONVERSATION)) == flat
    whole = conversations_codec.encode_with_sessions(CONVERSATION, [SESSION])
    assert shown(whole) == {**flat, "chat_sessions": [SESSION_JSON]}
    assert set(flat) == fields(conversations_pb2.Conversation)
    assert set(flat) | {"chat_sessions"} == fields(conversations_pb2.ConversationWithSessions)
    assert set(SESSION_JSON) == fields(conversations_pb2.ChatSession)


def _written_in_a_session(message: Message) -> conversations_pb2.Message:
    into = conversations_pb2.Message()
    conversations_codec.write_message(into, message)
    return into


def test_message_of_a_session() -> None:
    encoded = shown(_written_in_a_session(MESSAGE))
    assert encoded == {
        "id": "m-1",
        "chat_session_id": "s-1",
        "role": "ROLE_ASSISTANT",
        "content": "Hello",
        "model_id": model_id("openrouter", "openai/gpt-4o"),
        "token_used": 7,
        "created_at": MORNING_TEXT,
    }
    assert set(encoded) == fields(conversations_pb2.Message)
    user = replace(MESSAGE, role=Role.USER, model=None, provider=None, usage=None, session_id=None)
    assert set(encoded) - set(shown(_written_in_a_session(user))) == {
        "chat_session_id",
        "model_id",
        "token_used",
    }


@pytest.mark.parametrize(("offset", "total", "has_more"), [(0, 2, True), (1, 2, False), (0, 1, False)])
def test_a_window_of_messages_says_whether_there_is_more(offset: int, total: int, has_more: bool) -> None:
    window = conversations_codec.encode_messages(MessageSlice([MESSAGE], total), limit=1, offset=offset)
    assert (window.total, window.limit, window.offset, window.has_more) == (total, 1, offset, has_more)
    assert [message.id for message in window.messages] == ["m-1"]


def test_organization() -> None:
    membership = Membership(OrganizationId("g-1"), "Acme", MemberRole.GUEST, MORNING)
    encoded = shown(organizations_codec.encode_organization(membership))
    assert encoded == {"id": "g-1", "name": "Acme", "role": "Guest", "created_at": MORNING_TEXT}
    assert set(encoded) == fields(conversations_pb2.Organization)


def test_member() -> None:
    encoded = organizations_codec.encode_member(Member("anna", MemberRole.GUEST, is_active=True, created_at=MORNING))
    assert shown(encoded) == {
        "user": "anna",
        "role": "MEMBER_ROLE_GUEST",
        "is_active": True,
        "created_at": MORNING_TEXT,
    }
    assert set(shown(encoded)) == fields(conversations_pb2.Member)
    for role, number in organizations_codec.MEMBER_ROLES.items():
        assert organizations_codec.decode_role(number) is role
    assert {0, *organizations_codec.MEMBER_ROLES.values()} == set(conversations_pb2.MemberRole.values())


def test_model_with_a_dated_name() -> None:
    model = Model("openrouter", "openai/gpt-4o-2024-08-06", {"context_tokens": 128000, "free": False})
    encoded = shown(organizations_codec.encode_model(OfferedModel(model, is_active=True)))
    assert encoded == {
        "id": model.id,
        "name": "openai/gpt-4o-2024-08-06",
        "provider": "openrouter",
        "version": "2024-08-06",
        "is_active": True,
        "config": {"context_tokens": 128000.0, "free": False},
    }
    assert set(encoded) == fields(conversations_pb2.Model)


@pytest.mark.parametrize("name", ["gpt-4o", "gpt-4-0613", "2024-08-06", "gpt-4o-2024-08-06-fast"])
def test_a_model_without_a_date_at_its_end_has_no_version(name: str) -> None:
    assert not organizations_codec.encode_model(OfferedModel(Model("p", name), is_active=True)).HasField("version")


def test_a_model_that_cannot_be_used_is_inactive() -> None:
    assert not organizations_codec.encode_model(OfferedModel(Model("p", "m"), is_active=False)).is_active


def test_every_kind_of_call_has_its_word() -> None:
    assert KINDS.keys() == set(CallKind)
    assert len(set(KINDS.values())) == len(KINDS)
