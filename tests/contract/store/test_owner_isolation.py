"""Nobody sees or changes another owner's rows, by whatever method: not a colleague's, not a namesake's elsewhere."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest

from server.adapters.store.errors import MessageNotQueued
from server.domain.audit import AuditFilter
from server.domain.branch import ORIGINAL, Branch, BranchCause
from server.domain.cached_answer import CachedAnswer
from server.domain.compaction import Compaction
from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound, RunNotFound, UserNotFound
from server.domain.events import AttemptReset, MessageStarted, Payload, TextDelta
from server.domain.file import File
from server.domain.generation import GenerationConfig
from server.domain.ids import ConversationId, MessageId, OrganizationId, default_organization_id
from server.domain.key import ApiKey, KeyUse
from server.domain.message import Message, Role, Spoken, Usage
from server.domain.message_query import read_query
from server.domain.message_search import MessageSearch
from server.domain.model import Model
from server.domain.organization import Member, MemberRole
from server.domain.principal import Owner
from server.domain.run import Crowd, Run, RunState
from server.domain.search import Search
from server.domain.session import ChatSession
from server.domain.tool import Approval, ApprovalState, ToolCallState, ToolInvocation
from server.domain.usage import ModelCall, Spent, Total, UsageFilter
from server.domain.voice import VoiceSession
from server.ports.archive import Archive
from server.ports.audit import Audit
from server.ports.cached_answers import CachedAnswers
from server.ports.contexts import Compactions, ModelRequests
from server.ports.event_logs import Events
from server.ports.files import Files
from server.ports.histories import Branches, Messages
from server.ports.keys import ApiKeys
from server.ports.memories import Extractions
from server.ports.message_search import MessageIndex
from server.ports.organizations import AddedModels, Organizations
from server.ports.sessions import Sessions
from server.ports.store import (
    Conversations,
    RememberedRequest,
    Requests,
    Runs,
    Store,
    Transaction,
)
from server.ports.tool_calls import Approvals, ToolCalls
from server.ports.usage import Usage as UsagePort
from server.ports.voice import VoiceSessions
from tests.contract.store.builders import (
    ALICE,
    ALICE_ELSEWHERE,
    BOB,
    approval,
    at,
    audit_record,
    compaction,
    conversation,
    enqueued,
    file,
    key,
    lease,
    message,
    model_call,
    new_id,
    queued_run,
    request_record,
    running_run,
    session,
    stored,
    tool_call,
    voice_session,
)

ORGANIZATION = OrganizationId("o")
TALK_ID = new_id()
ACME = default_organization_id("acme")
ADDED = Model("p", "added")
NEW = Model("p", "new")
GUEST = Member(ALICE.user, MemberRole.GUEST, is_active=True, created_at=at(0))
DAY = date(1970, 1, 1)
BRANCH = Branch(2, ORIGINAL, 1, BranchCause.EDIT, at(1), 1)
ANOTHER = Branch(3, ORIGINAL, 0, BranchCause.EDIT, at(1), 0)


@dataclass(frozen=True)
class Theirs:
    """What Alice has."""

    talk: Conversation
    message: Message
    run: Run
    waiting: Run
    session: ChatSession
    file: File
    call: ToolInvocation
    approval: Approval
    parked: Run
    summary: Compaction
    key: ApiKey
    asked: ModelCall
    call_room: VoiceSession


@pytest.fixture
async def alices(store: Store) -> Theirs:
    """One row of Alice's of every kind."""
    talk = conversation("talk", id=ConversationId(TALK_ID), organization_id=ORGANIZATION)
    elsewhere = conversation("elsewhere")
    await stored(store, talk, elsewhere)
    await store.write_system(lambda tx: tx.provision(ALICE, at(0)))
    hers = key(digest="hers")

    async def fill(tx: Transaction) -> Theirs:
        run = running_run(talk, until=0)
        chat = session(talk)
        appended = await tx.messages.append(message(talk, usage=Usage(5, 2, 7)))
        await tx.branches.start(talk.id, BRANCH)
        await tx.runs.add(run)
        waiting = await enqueued(tx, talk)
        said: list[Payload] = [MessageStarted(MessageId("m"), Role.ASSISTANT, "m"), TextDelta(MessageId("m"), "secret")]
        await tx.events.append(talk.id, said, now=at(0), run_id=run.id, epoch=1)
        await tx.sessions.add(chat)
        await tx.requests.remember("r", RememberedRequest("f", run.id), now=at(0))
        await tx.cached_answers.put("c", CachedAnswer("secret"), given_in=talk.id, now=at(0), expires_at=at(9))
        await tx.requests.remember("w", RememberedRequest("f"), now=at(0), result=GenerationConfig("secret"))
        drawn = file(talk)
        await tx.files.add(drawn)
        await tx.models.add(ACME, ADDED, at(0))
        call = tool_call(run, state=ToolCallState.AWAITING_APPROVAL, expires_at=at(9))
        asked = approval(call)
        await tx.tool_calls.add([call])
        await tx.approvals.add(asked)
        parked = running_run(elsewhere, state=RunState.AWAITING_APPROVAL)
        await tx.runs.add(parked)
        summary = compaction(talk)
        await tx.compactions.add(summary)
        await tx.model_requests.add(request_record(run, message_id=appended.id, system_prompt="secret"))
        await tx.keys.add(hers)
        called = model_call(run)
        await tx.usage.settle(model_call(run), Spent(3, 4))
        await tx.usage.open(called)
        await tx.audit.add(audit_record(actor="helper"))
        await tx.extractions.begin(run.id, talk.id, due=at(0))
        spoken = voice_session(talk.id)
        await tx.voice_sessions.add(spoken)
        return Theirs(talk, appended, run, waiting, chat, drawn, call, asked, parked, summary, hers, called, spoken)

    made = await store.write(ALICE, fill)
    await store.write_system(lambda tx: tx.count_uses([KeyUse(hers.id, DAY, 3, at(0))]))
    return made


async def _recalled(tx: Transaction) -> GenerationConfig | None:
    try:
        return await tx.requests.recall("w", GenerationConfig)
    except LookupError:
        return None


async def _asked_again(tx: Transaction, alices: Theirs) -> None:
    """A second request for approval, behind a first that is over."""
    await tx.approvals.settle(alices.approval, ApprovalState.VOID, expected=ApprovalState.PENDING, now=at(1))
    await tx.approvals.add(approval(alices.call))


async def _look(tx: Transaction, alices: Theirs) -> list[Any]:
    """All that Alice's rows say."""
    talk, run, waiting = alices.talk, alices.run, alices.waiting
    return [
        await tx.conversations.page(include_archived=True, limit=None, after=None),
        await tx.messages.history(talk.id),
        await tx.messages.queued(talk.id),
        await tx.branches.page(talk.id, ORIGINAL, after=0, limit=9),
        await tx.branches.page(talk.id, ANOTHER.number, after=0, limit=9),
        (await tx.conversations.get(talk.key)),
        await tx.runs.get(run.id),
        await tx.runs.get(waiting.id),
        await tx.runs.page(talk.id, limit=9, after=None),
        await tx.events.after(talk.id, 0, limit=99),
        await tx.sessions.of_conversation(talk.id),
        [await tx.voice_sessions.of(each) for each in (talk.id, alices.parked.conversation_id)],
        await tx.requests.find("r", not_before=at(0)),
        await tx.cached_answers.find("c", now=at(0)),
        await tx.files.of_conversation(talk.id),
        await tx.organizations.memberships(),
        await tx.organizations.members(ACME),
        await tx.models.of_organization(ACME),
        await tx.runs.get(alices.parked.id),
        await tx.tool_calls.open(run.id),
        await tx.approvals.current(alices.call.id),
        await tx.compactions.all(talk.id),
        await tx.model_requests.of_run(run.id, offset=0, limit=9),
        await tx.keys.page(limit=9, after=None),
        await tx.usage.open_in(talk.id),
        await tx.extractions.get(run.id),
        await tx.extractions.get(waiting.id),
        await tx.usage.of_run(run.id, offset=0, limit=9),
        await tx.usage.rows(UsageFilter(), whole_tenant=False, limit=9, after=None),
        await tx.audit.on_behalf_of_owner(AuditFilter(), limit=9, after=None),
    ]


async def _everything(store: Store, alices: Theirs) -> list[Any]:
    return await store.read(ALICE, lambda tx: _look(tx, alices))


Probe = Callable[[Transaction, Theirs], Awaitable[Any]]

# What an owner is shown of somebody else's rows: as if they did not exist.
SEES: dict[str, tuple[Probe, Any]] = {
    "keys.get": (lambda tx, a: tx.keys.get(a.key.id), None),
    "keys.lock": (lambda tx, a: tx.keys.lock(a.key.id), None),
    "keys.page": (lambda tx, a: tx.keys.page(limit=9, after=None), []),
    "keys.save": (lambda tx, a: tx.keys.save(replace(a.key, name="x")), None),
    "keys.usage": (lambda tx, a: tx.keys.usage(a.key.id, since=DAY), []),
    "audit.on_behalf_of_owner": (lambda tx, a: tx.audit.on_behalf_of_owner(AuditFilter(), limit=9, after=None), []),
    "conversations.get": (lambda tx, a: tx.conversations.get(a.talk.key), None),
    "conversations.summary": (lambda tx, a: tx.conversations.summary(a.talk.key), None),
    "conversations.by_id": (lambda tx, a: tx.conversations.by_id(a.talk.id), None),
    "conversations.lock": (lambda tx, a: tx.conversations.lock(a.talk.key), None),
    "conversations.lock_by_id": (lambda tx, a: tx.conversations.lock_by_id(a.talk.id), None),
    "conversations.page": (lambda tx, a: tx.conversations.page(include_archived=True, limit=None, after=None), []),
    "conversations.slice": (lambda tx, a: tx.conversations.slice(offset=0, limit=9), []),
    "conversations.count": (lambda tx, a: tx.conversations.count(), 0),
    "conversations.of_organization": (
        lambda tx, a: tx.conversations.of_organization(ORGANIZATION, include_unassigned=True),
        [],
    ),
    "conversations.save": (lambda tx, a: tx.conversations.save(replace(a.talk, name="x")), None),
    "conversations.record_access": (
        lambda tx, a: tx.conversations.record_access(a.talk.id, at(99), by=ALICE.user_id),
        None,
    ),
    "conversations.touch": (lambda tx, a: tx.conversations.touch(a.talk.id, at(99), by=ALICE.user_id), None),
    "conversations.delete": (lambda tx, a: tx.conversations.delete(a.talk.id), None),
    "messages.history": (lambda tx, a: tx.messages.history(a.talk.id), []),
    "messages.page": (lambda tx, a: tx.messages.page(a.talk.id, after_position=0, limit=9), []),
    "messages.slice": (lambda tx, a: tx.messages.slice(a.talk.id, offset=0, limit=9, descending=True), []),
    "messages.count_said": (lambda tx, a: tx.messages.count_said(a.talk.id), 0),
    "messages.count": (lambda tx, a: tx.messages.count(a.talk.id), 0),
    "messages.get": (lambda tx, a: tx.messages.get(a.message.id), None),
    "messages.speak": (lambda tx, a: tx.messages.speak(a.message.id, Spoken(1, at(9))), False),
    "voice_sessions.of": (lambda tx, a: tx.voice_sessions.of(a.talk.id), None),
    "voice_sessions.get": (lambda tx, a: tx.voice_sessions.get(a.call_room.id), None),
    "voice_sessions.count_live": (lambda tx, a: tx.voice_sessions.count_live(at(0)), 0),
    "voice_sessions.open": (lambda tx, a: tx.voice_sessions.open(a.call_room.id, "https://x"), False),
    "voice_sessions.renew": (lambda tx, a: tx.voice_sessions.renew(a.call_room.id, at(99)), False),
    "voice_sessions.remove": (lambda tx, a: tx.voice_sessions.remove(a.call_room.id), False),
    "message_index.find": (
        lambda tx, a: tx.message_index.find(MessageSearch(read_query("Hello")), limit=9, after=None),
        [],
    ),
    "branches.tree": (lambda tx, a: tx.branches.tree(a.talk.id), None),
    "branches.activate": (lambda tx, a: tx.branches.activate(a.talk.id, ORIGINAL), None),
    "branches.page": (lambda tx, a: tx.branches.page(a.talk.id, ORIGINAL, after=0, limit=9), []),
    "messages.queued": (lambda tx, a: tx.messages.queued(a.talk.id), []),
    "runs.get": (lambda tx, a: tx.runs.get(a.run.id), None),
    "runs.active": (lambda tx, a: tx.runs.active(a.talk.id), None),
    "runs.next_queued": (lambda tx, a: tx.runs.next_queued(a.talk.id), None),
    "runs.count_queued": (lambda tx, a: tx.runs.count_queued(a.talk.id), 0),
    "runs.crowd": (lambda tx, a: tx.runs.crowd(a.run), Crowd(is_awaited=False, running=0)),
    "runs.page": (lambda tx, a: tx.runs.page(a.talk.id, limit=9, after=None), []),
    "runs.claim": (lambda tx, a: tx.runs.claim(a.run.id, expected_epoch=1, lease=lease("w9"), now=at(9)), None),
    "runs.hold": (lambda tx, a: tx.runs.hold(a.run.id, epoch=1), False),
    "runs.end": (lambda tx, a: tx.runs.end(a.run.id, epoch=1, state=RunState.FAILED, now=at(9)), False),
    "runs.park": (lambda tx, a: tx.runs.park(a.run.id, epoch=1, state=RunState.AWAITING_APPROVAL), False),
    "runs.move": (lambda tx, a: tx.runs.move(a.parked.id, epoch=1, state=RunState.AWAITING_CLIENT_TOOLS), False),
    "runs.resume": (lambda tx, a: tx.runs.resume(a.parked.id, expected_epoch=1, lease=lease("w9")), None),
    "runs.settle": (lambda tx, a: tx.runs.settle(a.run.id, epoch=1, rounds=9), False),
    "tool_calls.get": (lambda tx, a: tx.tool_calls.get(a.talk.id, a.call.id), None),
    "tool_calls.open": (lambda tx, a: tx.tool_calls.open(a.run.id), []),
    "tool_calls.of_conversation": (lambda tx, a: tx.tool_calls.of_conversation(a.talk.id), []),
    "tool_calls.save": (
        lambda tx, a: tx.tool_calls.save(replace(a.call, warned=True), expected=a.call.state),
        False,
    ),
    "approvals.current": (lambda tx, a: tx.approvals.current(a.call.id), None),
    "approvals.pending": (lambda tx, a: tx.approvals.pending(a.talk.id), []),
    "approvals.settle": (
        lambda tx, a: tx.approvals.settle(
            a.approval, ApprovalState.APPROVED, expected=ApprovalState.PENDING, now=at(9), by=BOB.user_id
        ),
        False,
    ),
    "events.after": (lambda tx, a: tx.events.after(a.talk.id, 0, limit=9), []),
    "events.first_kept": (lambda tx, a: tx.events.first_kept(a.talk.id), None),
    "events.of_run_after": (lambda tx, a: tx.events.of_run_after(a.run.id, 0, limit=9), []),
    "events.partial_answer": (lambda tx, a: tx.events.partial_answer(a.run.id, epoch=1), None),
    "sessions.get": (lambda tx, a: tx.sessions.get(a.session.id), None),
    "sessions.of_conversation": (lambda tx, a: tx.sessions.of_conversation(a.talk.id), []),
    "sessions.touch": (lambda tx, a: tx.sessions.touch(a.session.id, at(99)), None),
    "files.get": (lambda tx, a: tx.files.get(a.file.id), None),
    "files.of_conversation": (lambda tx, a: tx.files.of_conversation(a.talk.id), []),
    "organizations.memberships": (lambda tx, a: tx.organizations.memberships(), []),
    "requests.recall": (lambda tx, _: _recalled(tx), None),
    "organizations.membership": (lambda tx, a: tx.organizations.membership(ACME), None),
    "organizations.members": (lambda tx, a: tx.organizations.members(ACME), []),
    "organizations.lock_members": (lambda tx, a: tx.organizations.lock_members(ACME), []),
    "models.add": (lambda tx, a: tx.models.add(ACME, NEW, at(1)), None),
    "models.of_organization": (lambda tx, a: tx.models.of_organization(ACME), []),
    "models.get": (lambda tx, a: tx.models.get(ACME, ADDED.id), None),
    "cached_answers.find": (lambda tx, a: tx.cached_answers.find("c", now=at(0)), None),
    "compactions.get": (lambda tx, a: tx.compactions.get(a.summary.id), None),
    "compactions.newest": (lambda tx, a: tx.compactions.newest(a.talk.id), None),
    "compactions.all": (lambda tx, a: tx.compactions.all(a.talk.id), []),
    "model_requests.of_run": (lambda tx, a: tx.model_requests.of_run(a.run.id, offset=0, limit=9), []),
    "model_requests.counts": (lambda tx, a: tx.model_requests.counts(a.talk.id, provider="p", model="m"), []),
    "usage.open_of_run": (lambda tx, a: tx.usage.open_of_run(a.run.id), []),
    "usage.open_in": (lambda tx, a: tx.usage.open_in(a.talk.id), []),
    "usage.of_run": (lambda tx, a: tx.usage.of_run(a.run.id, offset=0, limit=9), []),
    "usage.total_of_run": (lambda tx, a: tx.usage.total_of_run(a.run.id), Total()),
    "usage.totals_of_conversation": (lambda tx, a: tx.usage.totals_of_conversation(a.talk.id), []),
    "extractions.get": (lambda tx, a: tx.extractions.get(a.run.id), None),
    "extractions.claim": (lambda tx, a: tx.extractions.claim(a.run.id, now=at(1), until=at(9)), None),
    "extractions.keep_facts": (lambda tx, a: tx.extractions.keep_facts(a.run.id, ["secret"]), False),
    "extractions.advance": (lambda tx, a: tx.extractions.advance(a.run.id, done=0), False),
    "extractions.end": (lambda tx, a: tx.extractions.end(a.run.id), False),
    "requests.find": (lambda tx, a: tx.requests.find("r", not_before=at(0)), None),
    "archive.find": (lambda tx, a: tx.archive.find(Search(), most=9), []),
    "archive.histories": (
        lambda tx, a: tx.archive.histories([a.talk.id], most_bytes=10**6),
        {ConversationId(TALK_ID): []},
    ),
}

# What an owner is refused.
REFUSED: dict[str, tuple[Probe, type[Exception]]] = {
    "cached_answers.put": (
        lambda tx, a: tx.cached_answers.put("c", CachedAnswer("mine"), given_in=a.talk.id, now=at(0), expires_at=at(9)),
        ConversationNotFound,
    ),
    "compactions.add": (lambda tx, a: tx.compactions.add(compaction(a.talk, version=2)), ConversationNotFound),
    "model_requests.add": (lambda tx, a: tx.model_requests.add(request_record(a.run, round=2)), ConversationNotFound),
    "extractions.begin": (
        lambda tx, a: tx.extractions.begin(a.waiting.id, a.talk.id, due=at(1)),
        ConversationNotFound,
    ),
    "usage.open": (lambda tx, a: tx.usage.open(model_call(a.run)), ConversationNotFound),
    "usage.settle": (lambda tx, a: tx.usage.settle(a.asked, Spent(1, 1)), ConversationNotFound),
    "messages.append": (lambda tx, a: tx.messages.append(message(a.talk)), ConversationNotFound),
    "messages.extend": (lambda tx, a: tx.messages.extend(a.talk.id, [message(a.talk)]), ConversationNotFound),
    "branches.start": (lambda tx, a: tx.branches.start(a.talk.id, ANOTHER), ConversationNotFound),
    "messages.enqueue": (lambda tx, a: tx.messages.enqueue(message(a.talk)), ConversationNotFound),
    "messages.admit": (lambda tx, a: tx.messages.admit(a.waiting.user_message_id), MessageNotQueued),
    "messages.withdraw": (lambda tx, a: tx.messages.withdraw(a.waiting.user_message_id), MessageNotQueued),
    "runs.add": (lambda tx, a: tx.runs.add(queued_run(a.talk)), ConversationNotFound),
    "tool_calls.add": (lambda tx, a: tx.tool_calls.add([tool_call(a.run)]), RunNotFound),
    "approvals.add": (_asked_again, RunNotFound),
    "sessions.add": (lambda tx, a: tx.sessions.add(session(a.talk)), ConversationNotFound),
    "voice_sessions.add": (
        lambda tx, a: tx.voice_sessions.add(voice_session(a.parked.conversation_id)),
        ConversationNotFound,
    ),
    "files.add": (lambda tx, a: tx.files.add(file(a.talk)), ConversationNotFound),
    "organizations.set_member": (lambda tx, a: tx.organizations.set_member(ACME, GUEST), UserNotFound),
    "events.append": (
        lambda tx, a: tx.events.append(a.talk.id, [AttemptReset(1)], now=at(0)),
        ConversationNotFound,
    ),
    "requests.remember": (
        lambda tx, a: tx.requests.remember("r", RememberedRequest("x", a.run.id), now=at(1)),
        RunNotFound,
    ),
}

# Makes a row of the owner's own, whatever it is given.
OWN = {"conversations.add", "organizations.add", "keys.add", "audit.add"}

# Tells a colleague, and nobody else, that a conversation is there: `test_archive.py`; what was done: `test_audit.py`.
# And what the tenant used, or may still use: `test_usage.py`.
TOLD = {
    *{"archive.is_anothers", "audit.of_tenant"},
    *{"usage.rows", "usage.key_days", "usage.spending", "usage.lock_spending"},
}


STRANGERS = pytest.mark.parametrize("stranger", [BOB, ALICE_ELSEWHERE], ids=["colleague", "namesake"])


@STRANGERS
async def test_another_owners_rows_do_not_exist(store: Store, alices: Theirs, stranger: Owner) -> None:
    before = await _everything(store, alices)
    for method, (probe, expected) in SEES.items():
        seen = await store.write(stranger, lambda tx, probe=probe: probe(tx, alices))  # type: ignore[misc]
        assert seen == expected, method
        assert await _everything(store, alices) == before, method


@STRANGERS
async def test_nothing_is_put_among_another_owners_rows(store: Store, alices: Theirs, stranger: Owner) -> None:
    before = await _everything(store, alices)
    for method, (probe, expected) in REFUSED.items():
        with pytest.raises(expected):
            await store.write(stranger, lambda tx, probe=probe: probe(tx, alices))  # type: ignore[misc]
        assert await _everything(store, alices) == before, method


class _Undone(Exception):
    """Takes back what a probe did, and carries what it saw."""


async def test_the_probes_find_or_change_the_owners_own_rows(store: Store, alices: Theirs) -> None:
    """Else the tests above would prove nothing."""
    before = await _everything(store, alices)
    for method, (probe, hidden) in SEES.items():

        async def look(tx: Transaction, probe: Probe = probe) -> None:
            raise _Undone(await probe(tx, alices), await _look(tx, alices))

        with pytest.raises(_Undone) as undone:
            await store.write(ALICE, look)
        seen, after = undone.value.args
        assert seen != hidden or after != before, method
    for method, (probe, _) in REFUSED.items():

        async def change(tx: Transaction, probe: Probe = probe) -> None:
            await probe(tx, alices)
            raise _Undone(await _look(tx, alices))

        with pytest.raises(_Undone) as undone:
            await store.write(ALICE, change)
        assert undone.value.args[0] != before, method


async def test_a_conversation_is_stored_as_the_transactions_owners(store: Store, alices: Theirs) -> None:
    forged = conversation("forged", owner=ALICE)
    await store.write(BOB, lambda tx: tx.conversations.add(forged))
    assert await store.read(ALICE, lambda tx: tx.conversations.get("forged")) is None
    found = await store.read(BOB, lambda tx: tx.conversations.get("forged"))
    assert found is not None
    assert found.owner == BOB


def test_every_method_of_the_transaction_is_probed() -> None:
    parts = {
        "conversations": Conversations,
        "messages": Messages,
        "message_index": MessageIndex,
        "branches": Branches,
        "runs": Runs,
        "events": Events,
        "sessions": Sessions,
        "files": Files,
        "organizations": Organizations,
        "models": AddedModels,
        "requests": Requests,
        "cached_answers": CachedAnswers,
        "archive": Archive,
        "tool_calls": ToolCalls,
        "approvals": Approvals,
        "compactions": Compactions,
        "model_requests": ModelRequests,
        "usage": UsagePort,
        "keys": ApiKeys,
        "audit": Audit,
        "extractions": Extractions,
        "voice_sessions": VoiceSessions,
    }
    methods = {
        f"{part}.{name}" for part, protocol in parts.items() for name in vars(protocol) if not name.startswith("_")
    }
    assert methods == SEES.keys() | REFUSED.keys() | OWN | TOLD
