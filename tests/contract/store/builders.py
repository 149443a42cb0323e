"""Values to store, with everything that a test does not care about filled in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from server.adapters.system import SystemIds
from server.domain.audit import Act, AuditRecord, Deed
from server.domain.compaction import Compaction, CompactionCause
from server.domain.conversation import Conversation
from server.domain.file import File
from server.domain.generation import GenerationConfig
from server.domain.ids import (
    ApprovalId,
    AuditId,
    CompactionId,
    ConversationId,
    FileId,
    KeyId,
    MessageId,
    ModelId,
    ModelRequestId,
    RunId,
    SessionId,
    ToolCallId,
    VoiceSessionId,
    WorkerId,
)
from server.domain.key import ApiKey, KeyStyle
from server.domain.message import Message, MessageStatus, Role
from server.domain.model_request import Positions
from server.domain.principal import Owner
from server.domain.request_record import RequestRecord
from server.domain.run import Lease, Run, RunState
from server.domain.session import ChatSession
from server.domain.tool import Approval, ToolCallState, ToolInvocation
from server.domain.usage import CallKind, ModelCall, Price
from server.domain.voice import VoiceSession
from server.ports.store import Store, Transaction

ALICE = Owner("acme", "alice")
BOB = Owner("acme", "bob")
"""Alice's colleague."""
ALICE_ELSEWHERE = Owner("rival", "alice")
"""A user of the same name in another tenant."""

_START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
_ids = SystemIds()


def at(seconds: float) -> datetime:
    """A moment that many seconds after the tests' beginning."""
    return _START + timedelta(seconds=seconds)


def new_id() -> str:
    """A fresh id."""
    return str(_ids.uuid())


def conversation(key: str = "", *, owner: Owner = ALICE, time: float = 0, **fields: Any) -> Conversation:
    """A conversation of Alice's, made and changed at `time`."""
    made = Conversation(
        id=ConversationId(new_id()),
        owner=owner,
        key=key or new_id(),
        name="Talk",
        created_at=at(time),
        updated_at=at(time),
    )
    return replace(made, **fields)


def message(of: Conversation, content: str = "Hello", *, time: float = 0, **fields: Any) -> Message:
    """A user's message."""
    made = Message(id=MessageId(new_id()), conversation_id=of.id, role=Role.USER, content=content, created_at=at(time))
    return replace(made, **fields)


def queued_run(of: Conversation, *, time: float = 0, **fields: Any) -> Run:
    """A run that waits."""
    made = Run(
        id=RunId(f"run_{_ids.uuid().hex}"),
        owner=of.owner,
        conversation_id=of.id,
        conversation_key=of.key,
        state=RunState.QUEUED,
        user_message_id=MessageId(new_id()),
        model="m",
        provider="p",
        generation=GenerationConfig(model="m"),
        created_at=at(time),
    )
    return replace(made, **fields)


def running_run(of: Conversation, *, time: float = 0, worker: str = "w1", until: float = 6, **fields: Any) -> Run:
    """A run in its first attempt."""
    running = queued_run(of, time=time, state=RunState.RUNNING, epoch=1, lease=lease(worker, until))
    return replace(running, started_at=at(time), **fields)


def lease(worker: str = "w1", until: float = 6) -> Lease:
    """A worker's lease until a moment."""
    return Lease(WorkerId(worker), at(until))


def session(of: Conversation, *, time: float = 0, **fields: Any) -> ChatSession:
    """A session."""
    made = ChatSession(SessionId(new_id()), of.id, ModelId("model"), at(time), at(time))
    return replace(made, **fields)


def voice_session(of: ConversationId, *, time: float = 0, **fields: Any) -> VoiceSession:
    """A call that can be joined for ten seconds."""
    identity = VoiceSessionId(new_id())
    made = VoiceSession(identity, of, f"room-{identity}", "https://rooms.example", at(time), at(time + 9), at(time + 9))
    return replace(made, **fields)


def file(of: Conversation, *, time: float = 0, **fields: Any) -> File:
    """What is known of a file."""
    made = File(FileId(new_id()), of.id, "image.png", "image/png", 68, "0" * 64, at(time))
    return replace(made, **fields)


def tool_call(of: Run, *, time: float = 0, **fields: Any) -> ToolInvocation:
    """A call that a run asks for, ready to be executed."""
    made = ToolInvocation(
        id=ToolCallId(f"call_{_ids.uuid().hex}"),
        conversation_id=of.conversation_id,
        run_id=of.id,
        message_id=MessageId(new_id()),
        ordinal=0,
        epoch=of.epoch,
        name="files__read",
        arguments='{"path": "a"}',
        state=ToolCallState.READY,
        requested_at=at(time),
        server="files",
        tool="read",
        definition_digest="d1",
    )
    return replace(made, **fields)


def approval(of: ToolInvocation, *, time: float = 0, until: float = 60, **fields: Any) -> Approval:
    """A request that waits for a decision on a call."""
    made = Approval(
        id=ApprovalId(new_id()),
        tool_call_id=of.id,
        conversation_id=of.conversation_id,
        run_id=of.run_id,
        epoch=of.epoch,
        definition_digest=of.definition_digest,
        arguments_digest=of.arguments_digest,
        requested_at=at(time),
        expires_at=at(until),
    )
    return replace(made, **fields)


def compaction(of: Conversation, *, time: float = 0, **fields: Any) -> Compaction:
    """The first summary of a conversation, of two messages."""
    made = Compaction(
        id=CompactionId(new_id()),
        conversation_id=of.id,
        version=1,
        branch=1,
        upto=2,
        text="They met.",
        messages_summarized=2,
        tokens_before=40,
        tokens_after=9,
        model="m",
        provider="p",
        cause=CompactionCause.ON_DEMAND,
        created_at=at(time),
    )
    return replace(made, **fields)


def request_record(of: Run, *, time: float = 0, **fields: Any) -> RequestRecord:
    """A request of a run that carried one message."""
    made = RequestRecord(
        id=ModelRequestId(new_id()),
        conversation_id=of.conversation_id,
        run_id=of.id,
        epoch=of.epoch,
        round=1,
        message_id=MessageId(new_id()),
        branch=1,
        included=(Positions(1, 1),),
        left_out=(),
        system_prompt=None,
        compaction_id=None,
        compaction_failure=None,
        tools=(),
        provider=of.provider,
        generation=of.generation,
        estimated_tokens=12,
        plain_tokens=10,
        room=None,
        created_at=at(time),
    )
    return replace(made, **fields)


def model_call(of: Run, *, time: float = 0, **fields: Any) -> ModelCall:
    """A call for an answer of a run."""
    made = ModelCall(
        id=ModelRequestId(new_id()),
        kind=CallKind.ANSWER,
        conversation_id=of.conversation_id,
        provider=of.provider,
        model=of.model,
        started_at=at(time),
        estimated_input=12,
        most_output=100,
        price=Price(input=2_000_000, output=8_000_000),
        run_id=of.id,
        message_id=MessageId(new_id()),
        key_id=KeyId("key"),
        account=KeyId("key"),
    )
    return replace(made, **fields)


def key(owner: Owner = ALICE, *, digest: str = "", time: float = 0, **fields: Any) -> ApiKey:
    """A key without an end."""
    made = ApiKey(
        id=KeyId(new_id()),
        owner=owner,
        digest=digest or new_id(),
        prefix="sk_live_ab",
        style=KeyStyle.SECRET,
        scopes=frozenset({"*"}),
        created_at=at(time),
    )
    return replace(made, **fields)


async def stored(store: Store, *conversations: Conversation) -> None:
    """Store conversations, each as its owner."""
    for item in conversations:
        await store.write(item.owner, lambda tx, item=item: tx.conversations.add(item))  # type: ignore[misc]


async def enqueued(tx: Transaction, of: Conversation, *, time: float = 0, content: str = "Hello") -> Run:
    """A message and its run in a conversation's queue; returns the run."""
    waiting = message(of, content, time=time, status=MessageStatus.QUEUED)
    run = queued_run(of, time=time, user_message_id=waiting.id)
    await tx.messages.enqueue(waiting)
    await tx.runs.add(run)
    return run


async def running(store: Store, *, owner: Owner = ALICE, **fields: Any) -> Run:
    """A run in its first attempt, stored in a conversation of its own."""
    talk = conversation(owner=owner)
    await stored(store, talk)
    run = running_run(talk, **fields)
    await store.write(owner, lambda tx: tx.runs.add(run))
    return run


async def asked(store: Store, *invocations: ToolInvocation, owner: Owner = ALICE) -> None:
    """Store tool calls of runs that are stored."""
    await store.write(owner, lambda tx: tx.tool_calls.add(invocations))


def audit_record(owner: Owner = ALICE, *, time: float = 0, deed: Deed | None = None, **fields: Any) -> AuditRecord:
    """A deed of the owner's."""
    made = AuditRecord(
        id=AuditId(new_id()),
        tenant=owner.tenant,
        actor=owner.user,
        subject=owner.user,
        deed=deed or Deed(Act.KEY_CREATED, "a key"),
        created_at=at(time),
        request_id="a call",
        key_id=KeyId("a key"),
    )
    return replace(made, **fields)
