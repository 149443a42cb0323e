"""`parley.v1.AuditService`: who is told what of who did what."""

from tests.contract.api.case import (
    ABSENT,
    ANNA,
    ANNA_HERSELF,
    BERT,
    MOMENT,
    STRANGER,
    TOKEN,
    UUID,
    Call,
    Caller,
    Case,
    Json,
    Refused,
    Reply,
)

_LIST = "parley.v1.AuditService/ListAuditRecords"
_MINE = "parley.v1.AuditService/ListActsOnMyBehalf"
_THREADS = "parley.v1.ThreadService"
_SERVICE = Caller(user="service")
_FOR_ANNA = Caller(user="service", on_behalf_of="anna")
_MADE = Call(f"{_THREADS}/CreateThread", {"name": "Talk", "conversation_key": "talk"}, {"talk": "id"})
_DELETED = Call(f"{_THREADS}/DeleteThread", {"conversation_key": "talk"})
_KEY_MADE = Call(
    "parley.v1.KeyService/CreateKey",
    {"name": "Backend", "permissions": ["files:read"]},
    {"key": "result.key_id"},
    ANNA_HERSELF,
)
_MADE_FOR_ANNA = Call(f"{_THREADS}/CreateThread", {"name": "Talk", "conversation_key": "talk"}, caller=_FOR_ANNA)
_DELETED_FOR_ANNA = Call(f"{_THREADS}/DeleteThread", {"conversation_key": "talk"}, caller=_FOR_ANNA)
_READ_FOR_ANNA = Call(f"{_THREADS}/ListThreads", {}, caller=_FOR_ANNA)
# The keys of the stage are the operator's work.
_OF_ANNA: Json = {"actor": "anna"}
_BAD_TOKEN = Refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", 400)


def _bad(name: str, rpc: str, request: Json, *fields: str) -> Case:
    return Case(f"audit: {name}", rpc, request, Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields))


CASES = [
    Case(
        "audit: deeds are listed, the newest first",
        _LIST,
        _OF_ANNA,
        Reply(
            {
                "records": [
                    {
                        "id": UUID,
                        "actor": "anna",
                        "subject": "anna",
                        "act": "conversation.delete",
                        "object": "$talk",
                        "created_at": MOMENT,
                        "outcome": "DONE",
                        "key_id": UUID,
                    },
                    {"act": "key.create", "object": "$key", "key_id": ABSENT},
                ],
                "next_page_token": ABSENT,
            }
        ),
        (_KEY_MADE, _MADE, _DELETED),
    ),
    Case(
        "audit: what the operator does is listed, too",
        _LIST,
        {"actor": "operator", "subject": "anna"},
        Reply({"records": [{"actor": "operator", "act": "key.create"}]}),
    ),
    Case(
        "audit: deeds of a kind",
        _LIST,
        {"act": "key.create", "subject": "anna", "object": "$key"},
        Reply({"records": [{"act": "key.create", "object": "$key"}]}),
        (_KEY_MADE, _MADE, _DELETED),
    ),
    Case("audit: nothing before there was anything", _LIST, {"until": "2001-01-01T00:00:00Z"}, Reply({"records": []})),
    Case("audit: nothing after the end", _LIST, {"since": "2999-01-01T00:00:00Z"}, Reply({"records": []})),
    Case(
        "audit: deeds come in pages",
        _LIST,
        {**_OF_ANNA, "page_size": 1},
        Reply({"records": [{"act": "conversation.delete"}], "next_page_token": TOKEN}),
        (_KEY_MADE, _MADE, _DELETED),
    ),
    Case(
        "audit: pages go on",
        _LIST,
        {**_OF_ANNA, "page_size": 1, "page_token": "$next"},
        Reply({"records": [{"act": "key.create"}], "next_page_token": ABSENT}),
        (_KEY_MADE, _MADE, _DELETED, Call(_LIST, {**_OF_ANNA, "page_size": 1}, {"next": "next_page_token"})),
    ),
    Case(
        "audit: another tenant's deeds are not listed",
        _LIST,
        {"act": "conversation.delete"},
        Reply({"records": []}),
        (_MADE, _DELETED),
        STRANGER,
    ),
    Case(
        "audit: a colleague's are",
        _LIST,
        {"act": "conversation.delete"},
        Reply({"records": [{"actor": "anna"}]}),
        (_MADE, _DELETED),
        BERT,
    ),
    Case(
        "audit: a user's usual rights do not show it",
        _LIST,
        {},
        Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        caller=ANNA_HERSELF,
    ),
    Case(
        "audit: nobody reads it in another's name",
        _LIST,
        {},
        Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        caller=_FOR_ANNA,
    ),
    Case(
        "audit: who acts for another is named beside the other",
        _LIST,
        {"subject": "anna", "actor": "service"},
        Reply(
            {
                "records": [
                    {"act": "conversation.delete", "actor": "service", "subject": "anna"},
                    {"act": "impersonation.write", "object": f"{_THREADS}/CreateThread"},
                    {"act": "impersonation.begin", "object": "anna"},
                ]
            }
        ),
        (_MADE_FOR_ANNA, _DELETED_FOR_ANNA),
    ),
    Case("audit: a forged page", _LIST, {"page_token": "x"}, _BAD_TOKEN),
    _bad("too large a page", _LIST, {"page_size": 1001}, "page_size"),
    Case(
        "audit: what was done in my name",
        _MINE,
        {},
        Reply(
            {
                "records": [
                    {"act": "impersonation.write", "actor": "service", "subject": "anna"},
                    {"act": "impersonation.begin", "actor": "service"},
                ]
            }
        ),
        (_MADE_FOR_ANNA,),
        ANNA_HERSELF,
    ),
    Case(
        "audit: that my things were only read is told, too",
        _MINE,
        {"actor": "service"},
        Reply({"records": [{"act": "impersonation.begin"}]}),
        (_READ_FOR_ANNA, _READ_FOR_ANNA),
        ANNA,
    ),
    Case(
        "audit: what I did is not what was done in my name",
        _MINE,
        {"actor": "anna"},
        Reply({"records": []}),
        (_MADE, _DELETED),
    ),
    Case(
        "audit: what was done in Anna's name is not told to Bert",
        _MINE,
        {"actor": "service"},
        Reply({"records": []}),
        (_MADE_FOR_ANNA,),
        BERT,
    ),
    Case("audit: by nobody of that name", _MINE, {"actor": "bert"}, Reply({"records": []}), (_MADE_FOR_ANNA,), ANNA),
    Case(
        "audit: a forged page of mine",
        _MINE,
        {"page_token": "x"},
        _BAD_TOKEN,
    ),
    _bad("too large a page of mine", _MINE, {"page_size": -1}, "page_size"),
]
