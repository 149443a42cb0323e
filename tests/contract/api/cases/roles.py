"""Every RPC of the conversations API for every role, a stranger and a removed member; an RPC without a row fails."""

from dataclasses import dataclass

from tests.contract.api.case import BERT, UNKNOWN_ID, Call, Case, Json, Refused, Reply, Stream
from tests.contract.api.cases.conversation_calls import NOT_A_MEMBER, NOT_FOUND, PACKAGE, SERVICE
from tests.contract.api.descriptors import methods

_ORGANIZATIONS = f"{PACKAGE}.OrganizationService"
_MODELS = f"{PACKAGE}.ModelService"
_MIGHTIEST_FIRST = ("OWNER", "ADMIN", "MEMBER", "GUEST")
_ROLE_MISSING = Refused("PERMISSION_DENIED", "ROLE_MISSING", 403)
_NO_USER = Refused("NOT_FOUND", "USER_NOT_FOUND", 404)


@dataclass(frozen=True, slots=True)
class Row:
    """Who may make a call, and what comes of it then: often that something is not found, which nobody else is told."""

    least: str | None
    """The least role that may; `None`: the call concerns no organization, and anybody may."""
    request: Json
    permitted: Reply | Stream | Refused


_ONE: Json = {"conversation_id": UNKNOWN_ID}
ROWS: dict[str, Row] = {
    f"{SERVICE}/CreateConversation": Row(
        "MEMBER", {"conversation": {"title": "A talk"}}, Reply({"conversation": {"title": "A talk"}})
    ),
    f"{SERVICE}/CreateSession": Row("MEMBER", {"session": {**_ONE, "model_id": UNKNOWN_ID}}, NOT_FOUND),
    f"{SERVICE}/StreamChat": Row(
        "MEMBER",
        {"chat": {"chat_session_id": UNKNOWN_ID, "message": "Hi"}},
        Refused("NOT_FOUND", "SESSION_NOT_FOUND", 404),
    ),
    f"{SERVICE}/ListConversations": Row("GUEST", {}, Reply({"conversations": []})),
    f"{SERVICE}/GetConversationWithSessions": Row("GUEST", _ONE, NOT_FOUND),
    f"{SERVICE}/ListMessages": Row("GUEST", _ONE, NOT_FOUND),
    f"{SERVICE}/UpdateConversation": Row("MEMBER", {**_ONE, "changes": {"title": "Mine"}}, NOT_FOUND),
    f"{SERVICE}/RemoveConversation": Row("MEMBER", _ONE, NOT_FOUND),
    f"{_ORGANIZATIONS}/ListOrganizations": Row(None, {}, Reply({})),
    f"{_ORGANIZATIONS}/CreateOrganization": Row(None, {"name": "Mine"}, Reply({"organization": {"name": "Mine"}})),
    f"{_ORGANIZATIONS}/ListMembers": Row("GUEST", {}, Reply({})),
    f"{_ORGANIZATIONS}/SetMember": Row("ADMIN", {"member": {"user": "nobody", "role": "MEMBER_ROLE_GUEST"}}, _NO_USER),
    f"{_ORGANIZATIONS}/RemoveMember": Row("ADMIN", {"user": "nobody"}, _NO_USER),
    f"{_MODELS}/ListModels": Row("GUEST", {}, Reply({"models": [{"name": "first"}, {"name": "second"}]})),
    f"{_MODELS}/AddModel": Row(
        "ADMIN", {"model": {"provider": "scripted", "name": "third"}}, Reply({"model": {"name": "third"}})
    ),
}
RPCS = {rpc for rpc in methods() if rpc.startswith(f"{PACKAGE}.")}
"""Every RPC of the package; each needs a row."""

_CLUB: Json = {"org_id": "$club"}
_BERT_CAME = Call(f"{_ORGANIZATIONS}/ListOrganizations", {}, caller=BERT)
_FOUNDED = Call(f"{_ORGANIZATIONS}/CreateOrganization", {"name": "Club"}, keep={"club": "organization.id"})
_BERT_REMOVED = Call(f"{_ORGANIZATIONS}/RemoveMember", {**_CLUB, "user": "bert"})


def _bert_is(role: str) -> Call:
    member = {"user": "bert", "role": f"MEMBER_ROLE_{role}"}
    return Call(f"{_ORGANIZATIONS}/SetMember", {**_CLUB, "member": member})


_BEFORE: dict[str, tuple[Call, ...]] = {
    **{role: (_BERT_CAME, _FOUNDED, _bert_is(role)) for role in _MIGHTIEST_FIRST},
    "STRANGER": (_BERT_CAME, _FOUNDED),
    "REMOVED": (_BERT_CAME, _FOUNDED, _bert_is("OWNER"), _BERT_REMOVED),
}


def _wanted(row: Row, who: str) -> Reply | Stream | Refused:
    if row.least is None:
        return row.permitted
    if who not in _MIGHTIEST_FIRST:
        return NOT_A_MEMBER
    may = _MIGHTIEST_FIRST.index(who) <= _MIGHTIEST_FIRST.index(row.least)
    return row.permitted if may else _ROLE_MISSING


def _request(row: Row) -> Json:
    return row.request if row.least is None else {**_CLUB, **row.request}


_MATRIX = [
    Case(f"{rpc}: {who.lower()}", rpc, _request(row), _wanted(row, who), before, BERT)
    for rpc, row in ROWS.items()
    for who, before in _BEFORE.items()
]

_TALK: Json = {**_CLUB, "conversation_id": "$conversation"}
_BERTS_TALK = Call(
    f"{SERVICE}/CreateConversation",
    {**_CLUB, "conversation": {"title": "A talk"}},
    keep={"conversation": "conversation.id"},
    caller=BERT,
)
_BERTS_SESSION = (
    Call(f"{_MODELS}/ListModels", _CLUB, keep={"model": "models.0.id"}),
    Call(
        f"{SERVICE}/CreateSession",
        {**_CLUB, "session": {"conversation_id": "$conversation", "model_id": "$model"}},
        keep={"session": "session.id"},
        caller=BERT,
    ),
)
_ONCE_A_MEMBER = (*_BEFORE["MEMBER"], _BERTS_TALK, *_BERTS_SESSION)
_OF_ITS_OWN: list[tuple[str, Json, Reply | Refused]] = [
    (f"{SERVICE}/GetConversationWithSessions", _TALK, Reply({"conversation": {"title": "A talk"}})),
    (f"{SERVICE}/ListMessages", _TALK, Reply({"total": 0})),
    (f"{SERVICE}/UpdateConversation", {**_TALK, "changes": {"title": "Mine"}}, _ROLE_MISSING),
    (f"{SERVICE}/RemoveConversation", _TALK, _ROLE_MISSING),
    (f"{SERVICE}/StreamChat", {**_CLUB, "chat": {"chat_session_id": "$session", "message": "Hi"}}, _ROLE_MISSING),
]
_OWN = [
    Case(f"{rpc}: {who}, of its own conversation", rpc, request, wanted, (*_ONCE_A_MEMBER, became), BERT)
    for rpc, request, to_guests in _OF_ITS_OWN
    for who, became, wanted in [
        ("a guest", _bert_is("GUEST"), to_guests),
        ("a removed member", _BERT_REMOVED, NOT_A_MEMBER),
    ]
]

CASES = [*_MATRIX, *_OWN]
