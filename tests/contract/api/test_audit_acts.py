"""Every kind of act leaves its record, and so does what was refused for want of a right, whatever the transport.

The calls are those of the cases; an act without a row here fails.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass

import pytest

from server.domain.audit import Act
from tests.contract.api.case import ANNA, ANNA_HERSELF, BERT, Call, Caller, Case, Json
from tests.contract.api.cases.data import CASES as DATA_CASES
from tests.contract.api.cases.tool import CASES as TOOL_CASES
from tests.contract.api.player import CallRefused
from tests.contract.api.playing import METHODS, PLAYERS, TENANTS, play, prepare, request_of
from tests.contract.api.serving import Served
from tests.contract.api.stage import Stage
from tests.contract.api.test_repeats import WRITES

_FOUND = "SELECT act, object, actor, owner, outcome, reason, times FROM audit WHERE tenant = ? AND request_id = ?"
_REQUEST = "the-call-itself"
_CLUB: Json = {"org_id": "$club"}
_ORGANIZATIONS = "parley.conversations.v1.OrganizationService"
_KEYS = "parley.v1.KeyService"
_THREADS = "parley.v1.ThreadService"
_LISTED = "parley.v1.AuditService/ListAuditRecords"
_FOR_ANNA = Caller(user="service", on_behalf_of="anna")


def _write(method: str) -> Case:
    return next(case for case in WRITES if case.rpc.endswith(f"/{method}"))


def _tool(name: str) -> Case:
    return next(case for case in TOOL_CASES if case.name == name)


def _in_annas_name(case: Case) -> Case:
    return Case(case.name, case.rpc, case.request, case.wants, case.before, _FOR_ANNA)


ACTS: dict[Act, Case] = {
    Act.KEY_CREATED: _write("CreateKey"),
    Act.KEY_UPDATED: _write("UpdateKey"),
    Act.KEY_ROTATED: _write("RotateKey"),
    Act.KEY_REVOKED: _write("RevokeKey"),
    Act.ORGANIZATION_CREATED: _write("CreateOrganization"),
    Act.MEMBER_SET: _write("SetMember"),
    Act.MEMBER_REMOVED: _write("RemoveMember"),
    Act.CONVERSATION_DELETED: _write("DeleteThread"),
    Act.MEMORY_DELETED: _write("DeleteMemory"),
    Act.FILE_DELETED: _write("DeleteFile"),
    Act.FOLDER_DELETED: _write("DeleteFolder"),
    Act.EXPORT_BEGAN: DATA_CASES[0],
    Act.EXPORT_ENDED: DATA_CASES[0],
    Act.RETENTION_SET: _write("SetRetention"),
    Act.WEBHOOK_CREATED: _write("CreateWebhook"),
    Act.WEBHOOK_UPDATED: _write("UpdateWebhook"),
    Act.WEBHOOK_DELETED: _write("DeleteWebhook"),
    Act.WEBHOOK_ROTATED: _write("RotateWebhookSecret"),
    Act.WEBHOOK_REDELIVERED: _write("RedeliverWebhook"),
    Act.ERASURE_REQUESTED: _write("EraseUser"),
    Act.TOOL_CALL_APPROVED: _tool("an approved call lets its run go on"),
    Act.TOOL_CALL_DENIED: _tool("the others of a batch go on waiting"),
    Act.TOOL_CALLED: _write("CallTool"),
    Act.VOICE_SESSION_CREATED: _write("CreateDailySession"),
    Act.VOICE_SESSION_ENDED: _write("EndDailySession"),
    Act.IMPERSONATION_BEGAN: _in_annas_name(_write("CreateThread")),
    Act.IMPERSONATED_WRITE: _in_annas_name(_write("CreateThread")),
}
"""The call that each act is; what is refused is below."""
OF_NO_CALL = {
    Act.ERASURE_ENDED: "the engine ends it, whoever asked for it: see tests/contract/store",
    Act.WEBHOOK_DISABLED: "the engine gives a receiver up: see tests/integration/webhooks",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that is refused, and what the audit tells of it."""

    rpc: str
    request: Json
    caller: Caller
    reason: str
    act: Act = Act.PERMISSION_USED
    object: str = ""
    """Empty: the method."""
    before: tuple[Call, ...] = ()
    subject: str = ""
    """Empty: the actor."""


_KEY_MADE = Call(
    f"{_KEYS}/CreateKey", {"name": "a", "permissions": ["files:read"]}, {"key": "result.key_id"}, ANNA_HERSELF
)
_BERT_CAME = Call(f"{_ORGANIZATIONS}/ListOrganizations", {}, caller=BERT)
_FOUNDED = Call(f"{_ORGANIZATIONS}/CreateOrganization", {"name": "Club"}, keep={"club": "organization.id"})
_BERT_IS_A_GUEST = Call(
    f"{_ORGANIZATIONS}/SetMember", {**_CLUB, "member": {"user": "bert", "role": "MEMBER_ROLE_GUEST"}}
)
_READER = Caller(user="reader", scopes=("conversations:read",))
REFUSALS: dict[str, Refusal] = {
    "a scope is missing": Refusal(f"{_THREADS}/CreateThread", {"conversation_key": "x"}, _READER, "SCOPE_MISSING"),
    "nobody may act for others who may not": Refusal(
        f"{_THREADS}/ListThreads",
        {},
        Caller(user="reader", scopes=("conversations:read",), on_behalf_of="anna"),
        "SCOPE_MISSING",
        Act.IMPERSONATION_BEGAN,
        "anna",
    ),
    "in another's name one does not do more than users may": Refusal(
        _LISTED, {}, _FOR_ANNA, "SCOPE_MISSING", subject="anna"
    ),
    "a key makes no keys": Refusal(f"{_KEYS}/CreateKey", {"name": "a"}, ANNA, "PERSON_NEEDED"),
    "nobody hands on what is not theirs": Refusal(
        f"{_KEYS}/CreateKey", {"name": "a", "permissions": ["audit:read"]}, ANNA_HERSELF, "SCOPE_EXCEEDED"
    ),
    **{
        f"a key that is another's: {method}": Refusal(
            f"{_KEYS}/{method}",
            {"key_id": "$key"},
            Caller(user="bert", key="token"),
            "KEY_NOT_FOUND",
            object=f"{_KEYS}/{method}/$key",
            before=(_KEY_MADE,),
        )
        for method in ("GetKey", "UpdateKey", "RotateKey", "RevokeKey", "GetKeyUsage")
    },
    "a stranger asks for members": Refusal(
        f"{_ORGANIZATIONS}/ListMembers", _CLUB, BERT, "NOT_A_MEMBER", before=(_BERT_CAME, _FOUNDED)
    ),
    "a guest makes members": Refusal(
        f"{_ORGANIZATIONS}/SetMember",
        {**_CLUB, "member": {"user": "bert", "role": "MEMBER_ROLE_OWNER"}},
        BERT,
        "ROLE_MISSING",
        before=(_BERT_CAME, _FOUNDED, _BERT_IS_A_GUEST),
    ),
}
_NOBODY = {"none": "KEY_MISSING", **dict.fromkeys(("malformed", "unknown", "revoked", "expired"), "KEY_INVALID")}
Told = list[tuple[str, str, str, str, str, str, int]]


async def _told(served: Served, transport: str, case: Case | Refusal) -> tuple[Told, str, dict[str, str]]:
    """Play a call; returns what the audit tells of it, the reason if it was refused, and what was kept."""
    stage, player = Stage(served, f"acts-{next(TENANTS)}"), PLAYERS[transport](served)
    await stage.headers(ANNA)  # who comes first owns the organization
    kept = stage.kept
    for call in case.before:
        await prepare(player, stage, call, kept)
    headers, reason = {**await stage.headers(case.caller), "x-request-id": _REQUEST}, ""
    try:
        await play(player, METHODS[case.rpc], request_of(METHODS[case.rpc], case.request, kept), headers)
    except CallRefused as refused:
        reason = refused.refusal.reason or ""
    with closing(sqlite3.connect(served.database)) as connection:
        return connection.execute(_FOUND, (stage.tenant, _REQUEST)).fetchall(), reason, kept


def test_every_act_has_its_call() -> None:
    told_where_refused = {refusal.act for refusal in REFUSALS.values()}
    assert set(ACTS) | told_where_refused | set(OF_NO_CALL) == set(Act)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("act", ACTS)
async def test_an_act_leaves_its_record(served: Served, act: Act) -> None:
    told, _, _ = await _told(served, "grpc", ACTS[act])
    records = [(*who, outcome, reason, times) for found, _, *who, outcome, reason, times in told if found == act]
    who = ("service", "anna") if ACTS[act].caller is _FOR_ANNA else ("anna", "anna")
    assert records == [(*who, "DONE", "", 1)]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("transport", PLAYERS)
@pytest.mark.parametrize("name", REFUSALS)
async def test_what_was_refused_is_told_with_its_reason(served: Served, name: str, transport: str) -> None:
    wanted = REFUSALS[name]
    told, reason, kept = await _told(served, transport, wanted)
    assert reason == wanted.reason
    actor = wanted.caller.user
    target = (wanted.object or wanted.rpc).replace("$key", kept.get("key", ""))
    refused = [record for record in told if record[4] == "REFUSED"]
    assert refused == [(wanted.act, target, actor, wanted.subject or actor, "REFUSED", wanted.reason, 1)]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("key", _NOBODY)
async def test_credentials_of_nobody_leave_no_record(served: Served, key: str) -> None:
    call = Refusal(f"{_THREADS}/ListThreads", {}, Caller(key=key), _NOBODY[key])
    told, reason, _ = await _told(served, "grpc", call)
    assert (told, reason) == ([], _NOBODY[key])


@pytest.mark.asyncio(loop_scope="module")
async def test_mistakes_are_no_refusals(served: Served) -> None:
    unknown = Refusal(f"{_THREADS}/GetThread", {"conversation_key": "x"}, ANNA, "CONVERSATION_NOT_FOUND")
    told, reason, _ = await _told(served, "grpc", unknown)
    assert (told, reason) == ([], "CONVERSATION_NOT_FOUND")
