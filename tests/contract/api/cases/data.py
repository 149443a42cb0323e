"""`parley.v1.DataService`: what users and administrators get of what is stored, have erased, and say of how long it is
kept."""

from tests.contract.api.case import (
    ABSENT,
    ANNA_HERSELF,
    BERT,
    MOMENT,
    UNKNOWN_ID,
    UUID,
    Call,
    Caller,
    Case,
    Json,
    Matching,
    Refused,
    Reply,
    Stream,
)

_EXPORT, _ERASE, _GET, _RETENTION, _SET = (
    f"parley.v1.DataService/{name}"
    for name in ("ExportData", "EraseUser", "GetErasure", "GetRetention", "SetRetention")
)
_MAY_EXPORT = Caller(scopes=("data:export",))
_MAY_ERASE = Caller(scopes=("data:erase",))
_MAY_DO_NOTHING = Caller(scopes=("conversations:read",))
_BERT_IS_THERE = Call("parley.v1.ThreadService/CreateThread", {"name": "Talk", "conversation_key": "talk"}, caller=BERT)
_BERT_ERASED = Call(_ERASE, {"user": "bert", "confirm_user": "bert"}, {"erasure": "erasure_id"})
_PSEUDONYM = Matching(r"erased:[0-9a-f]{32}")
_DIGEST = Matching("[0-9a-f]{64}")
_COUNT = Matching("[1-9][0-9]*")
_CURSOR = Matching(r"[-\w]{40,}")
_ENDED: Json = {"cursor": "", "end": {"count": _COUNT, "digest": _DIGEST}}
_THE_TALK: Json = {"cursor": _CURSOR, "record": {"kind": "conversation", "id": UUID, "data": {"key": "talk"}}}


def _bad(name: str, rpc: str, request: Json, *fields: str) -> Case:
    return Case(f"data: {name}", rpc, request, Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields))


CASES = [
    Case("data: everything of the caller is exported", _EXPORT, {}, Stream(({"cursor": _CURSOR},), ends=(_ENDED,))),
    Case(
        "data: an administrator exports what is another user's",
        _EXPORT,
        {"user": "bert"},
        Stream((_THE_TALK,), ends=(_ENDED,)),
        before=(_BERT_IS_THERE,),
    ),
    Case(
        "data: the export of another user needs its scope",
        _EXPORT,
        {"user": "bert"},
        Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        before=(_BERT_IS_THERE,),
        caller=_MAY_EXPORT,
    ),
    Case(
        "data: nobody is exported who is not there",
        _EXPORT,
        {"user": "nobody"},
        Refused("NOT_FOUND", "USER_NOT_FOUND", 404),
    ),
    Case(
        "data: a cursor that nobody was given is none",
        _EXPORT,
        {"cursor": "bm90aGluZw"},
        Refused("INVALID_ARGUMENT", "INVALID_EXPORT_CURSOR", 400),
    ),
    Case(
        "data: a cursor counts for one user only",
        _EXPORT,
        {"cursor": "$cursor"},
        Refused("INVALID_ARGUMENT", "INVALID_EXPORT_CURSOR", 400),
        before=(_BERT_IS_THERE, Call(_EXPORT, {"user": "bert"}, {"cursor": "cursor"}, until="record")),
    ),
    Case(
        "data: an export needs its scope",
        _EXPORT,
        {},
        Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        caller=_MAY_DO_NOTHING,
    ),
    _bad("a name that is too long is nobody's", _EXPORT, {"user": "x" * 256}, "user"),
    Case(
        "data: an administrator has a user erased",
        _ERASE,
        {"user": "bert", "confirm_user": "bert"},
        Reply({"erasure_id": UUID, "pseudonym": _PSEUDONYM, "requested_at": MOMENT}),
        before=(_BERT_IS_THERE,),
    ),
    Case(
        "data: people have themselves erased",
        _ERASE,
        {"user": "anna", "confirm_user": "anna"},
        Reply({"erasure_id": UUID, "pseudonym": _PSEUDONYM}),
        caller=ANNA_HERSELF,
    ),
    Case(
        "data: a key alone does not erase its user",
        _ERASE,
        {"user": "anna", "confirm_user": "anna"},
        Refused("PERMISSION_DENIED", "PERSON_NEEDED", 403),
        caller=_MAY_ERASE,
    ),
    Case(
        "data: to have others erased needs its scope",
        _ERASE,
        {"user": "bert", "confirm_user": "bert"},
        Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        before=(_BERT_IS_THERE,),
        caller=ANNA_HERSELF,
    ),
    Case(
        "data: nobody is erased by mistake",
        _ERASE,
        {"user": "bert", "confirm_user": "Bert"},
        Refused("INVALID_ARGUMENT", "CONFIRMATION_MISSING", 400),
        before=(_BERT_IS_THERE,),
    ),
    Case(
        "data: nobody is erased who is not there",
        _ERASE,
        {"user": "nobody", "confirm_user": "nobody"},
        Refused("NOT_FOUND", "USER_NOT_FOUND", 404),
    ),
    _bad("somebody must be named", _ERASE, {"user": "", "confirm_user": ""}, "user"),
    Case(
        "data: who is being erased can do nothing",
        "parley.v1.ThreadService/ListThreads",
        {},
        Refused("PERMISSION_DENIED", "USER_BEING_ERASED", 403),
        before=(_BERT_IS_THERE, _BERT_ERASED),
        caller=Caller(user="service", on_behalf_of="bert"),
    ),
    Case(
        "data: how far an erasure has come can be read",
        _GET,
        {"id": "$erasure"},
        Reply({"id": "$erasure", "pseudonym": _PSEUDONYM, "requested_by": "anna", "requested_at": MOMENT}),
        before=(_BERT_IS_THERE, _BERT_ERASED),
    ),
    Case("data: no such erasure", _GET, {"id": UNKNOWN_ID}, Refused("NOT_FOUND", "ERASURE_NOT_FOUND", 404)),
    Case(
        "data: unless it says otherwise a tenant keeps everything",
        _RETENTION,
        {},
        Reply({"conversation_days": ABSENT, "archived_days": ABSENT, "event_days": ABSENT, "audit_days": ABSENT}),
    ),
    Case(
        "data: what a tenant has said of retention can be read",
        _RETENTION,
        {},
        Reply({"conversation_days": 400, "audit_days": 3650}),
        before=(Call(_SET, {"conversation_days": 400, "audit_days": 3650}),),
    ),
    Case(
        "data: a tenant says how long it keeps what",
        _SET,
        {"conversation_days": 400, "archived_days": 90, "event_days": 30, "audit_days": 365},
        Reply({"conversation_days": 400, "archived_days": 90, "event_days": 30, "audit_days": 365}),
    ),
    Case(
        "data: retention is for administrators",
        _SET,
        {"conversation_days": 400},
        Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        caller=ANNA_HERSELF,
    ),
    _bad("nothing is kept for no time", _SET, {"archived_days": 0}, "archived_days"),
    _bad("no event is kept for no time", _SET, {"event_days": 0}, "event_days"),
    _bad("the audit is kept for 90 days at least", _SET, {"audit_days": 89}, "audit_days"),
]
