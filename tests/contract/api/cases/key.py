"""`parley.v1.KeyService`: keys that a person has, and what nobody may have or do by them."""

from tests.contract.api.case import (
    ABSENT,
    ANNA_HERSELF,
    MOMENT,
    TOKEN,
    UNKNOWN_ID,
    UUID,
    Call,
    Caller,
    Case,
    Json,
    Matching,
    Refused,
    Reply,
)

_SERVICE = "parley.v1.KeyService"
_CREATE, _LIST, _GET, _UPDATE, _ROTATE, _REVOKE, _USAGE = (
    f"{_SERVICE}/{name}"
    for name in ("CreateKey", "ListKeys", "GetKey", "UpdateKey", "RotateKey", "RevokeKey", "GetKeyUsage")
)
_BERT_HIMSELF = Caller(user="bert", key="token")
_NAMESAKE = Caller(key="token", tenant="-elsewhere")
_READER = Caller(key="token", scopes=("keys:admin", "conversations:read"))
_NOT_FOUND = Refused("NOT_FOUND", "KEY_NOT_FOUND", 404)
_ENDED = Refused("FAILED_PRECONDITION", "KEY_ENDED", 409)
_EXCEEDED = Refused("PERMISSION_DENIED", "SCOPE_EXCEEDED", 403)
_PLAIN: Json = {"name": "Backend", "permissions": ["conversations:read"]}
_MADE = Call(_CREATE, _PLAIN, {"key": "result.key_id"}, ANNA_HERSELF)
_THE_KEY: Json = {"key_id": "$key"}
_REVOKED = Call(_REVOKE, _THE_KEY, caller=ANNA_HERSELF)
_TEXT = Matching(r"sk_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}")
_SOON, _LATER, _LONG_AGO = "2999-01-01T00:00:00Z", "3000-01-01T00:00:00Z", "2001-01-01T00:00:00Z"


def _case(name: str, rpc: str, request: Json, wants: Reply | Refused, *before: Call, by: Caller = ANNA_HERSELF) -> Case:
    return Case(f"keys: {name}", rpc, request, wants, before, by)


def _bad(name: str, rpc: str, request: Json, *fields: str) -> Case:
    return _case(name, rpc, request, Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields))


_CREATED = [
    _case(
        "a key is made, and its text shown",
        _CREATE,
        _PLAIN,
        Reply(
            {
                "result": {
                    "key_id": UUID,
                    "key": _TEXT,
                    "key_prefix": Matching(r"sk_live_[0-9A-Za-z]{8}"),
                    "name": "Backend",
                    "description": "",
                    "permissions": ["conversations:read"],
                    "rate_limit": ABSENT,
                    "environment": "KEY_ENVIRONMENT_LIVE",
                    "kind": "KEY_KIND_SECRET",
                    "is_active": True,
                    "created_at": MOMENT,
                    "expires_at": ABSENT,
                    "revoked_at": ABSENT,
                    "last_used_at": ABSENT,
                    "budget": ABSENT,
                }
            }
        ),
    ),
    _case(
        "a key is made with everything",
        _CREATE,
        {
            "name": "Shop",
            "description": "For the web page",
            "permissions": ["files:read", "conversations:read", "conversations:write"],
            "rate_limit": {"requests_per_minute": 60},
            "expires_at": _SOON,
            "environment": "KEY_ENVIRONMENT_TEST",
            "kind": "KEY_KIND_PUBLISHABLE",
            "budget": {"tokens_per_day": "1000", "cost_micros_per_month": "2500000"},
        },
        Reply(
            {
                "result": {
                    "key": Matching(r"pk_test_\w+"),
                    "description": "For the web page",
                    "permissions": ["conversations:read", "conversations:write", "files:read"],
                    "rate_limit": {"requests_per_minute": 60},
                    "expires_at": _SOON,
                    "environment": "KEY_ENVIRONMENT_TEST",
                    "kind": "KEY_KIND_PUBLISHABLE",
                    "budget": {
                        "tokens_per_day": "1000",
                        "tokens_per_month": "0",
                        "cost_micros_per_day": "0",
                        "cost_micros_per_month": "2500000",
                    },
                }
            }
        ),
    ),
    _case(
        "a key may have the archive's form",
        _CREATE,
        {"name": "Archive", "permissions": ["ayeto.conversation"], "kind": "KEY_KIND_ARCHIVE"},
        Reply({"result": {"key": Matching(r"ayeto-[0-9a-f]{64}"), "key_prefix": Matching(r"ayeto-[0-9a-f]{8}")}}),
    ),
    _case("nobody gives what is not the giver's", _CREATE, {**_PLAIN, "permissions": ["*"]}, _EXCEEDED),
    _case(
        "nobody gives the right to act for others who has not got it",
        _CREATE,
        {**_PLAIN, "permissions": ["conversations:read", "users:impersonate"]},
        _EXCEEDED,
    ),
    _case(
        "who may read makes keys that read",
        _CREATE,
        {**_PLAIN, "permissions": ["conversations:write"]},
        _EXCEEDED,
        by=_READER,
    ),
    _case(
        "who may act for others makes keys that do",
        _CREATE,
        {**_PLAIN, "permissions": ["users:impersonate"]},
        Reply({"result": {"permissions": ["users:impersonate"]}}),
        by=Caller(key="token", scopes=("keys:admin", "users:impersonate")),
    ),
    _bad("a budget below nothing", _CREATE, {**_PLAIN, "budget": {"tokens_per_day": "-1"}}, "budget.tokens_per_day"),
    _bad("a scope that is none", _CREATE, {**_PLAIN, "permissions": ["conversation:read"]}, "permissions"),
    _bad("no scope", _CREATE, {"name": "Backend"}, "permissions"),
    _bad("a scope twice", _CREATE, {**_PLAIN, "permissions": ["files:read", "files:read"]}, "permissions"),
    _bad("no name", _CREATE, {"permissions": ["files:read"]}, "name"),
    _bad("a long name", _CREATE, {**_PLAIN, "name": "x" * 256}, "name"),
    _bad("an end that is past", _CREATE, {**_PLAIN, "expires_at": _LONG_AGO}, "expires_at"),
    _bad("a kind that is none", _CREATE, {**_PLAIN, "kind": 9}, "kind"),
    _bad(
        "a negative limit",
        _CREATE,
        {**_PLAIN, "rate_limit": {"requests_per_minute": -1}},
        "rate_limit.requests_per_minute",
    ),
]
_READ = [
    _case(
        "keys are listed without their texts, the newest first",
        _LIST,
        {},
        Reply({"result": {"keys": [{"name": "Second", "key": ABSENT}, {"key_id": "$key"}], "next_page_token": ABSENT}}),
        _MADE,
        Call(_CREATE, {**_PLAIN, "name": "Second"}, caller=ANNA_HERSELF),
    ),
    _case(
        "keys come in pages",
        _LIST,
        {"page_size": 1},
        Reply({"result": {"keys": [{"name": "Second"}], "next_page_token": TOKEN}}),
        _MADE,
        Call(_CREATE, {**_PLAIN, "name": "Second"}, caller=ANNA_HERSELF),
    ),
    _case(
        "pages go on",
        _LIST,
        {"page_size": 1, "page_token": "$next"},
        Reply({"result": {"keys": [{"key_id": "$key"}], "next_page_token": ABSENT}}),
        _MADE,
        Call(_CREATE, {**_PLAIN, "name": "Second"}, caller=ANNA_HERSELF),
        Call(_LIST, {"page_size": 1}, {"next": "result.next_page_token"}, ANNA_HERSELF),
    ),
    _case("others see no key of anybody else", _LIST, {}, Reply({"result": {"keys": []}}), _MADE, by=_BERT_HIMSELF),
    _case(
        "a forged page",
        _LIST,
        {"page_token": "hello"},
        Refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", 400),
    ),
    _bad("too large a page", _LIST, {"page_size": 1001}, "page_size"),
    _case("a key is returned without its text", _GET, _THE_KEY, Reply({"result": {"key": ABSENT}}), _MADE),
    _case(
        "a key that was never used has no uses",
        _USAGE,
        _THE_KEY,
        Reply({"result": {"key_id": "$key", "days": [], "total_requests": "0", "total_tokens": "0"}}),
        _MADE,
    ),
    _bad("too many days", _USAGE, {"key_id": UNKNOWN_ID, "days": 367}, "days"),
]
_CHANGED = [
    _case(
        "what is given changes, the rest stays",
        _UPDATE,
        {**_THE_KEY, "name": "Front", "rate_limit": {"requests_per_minute": 5}},
        Reply(
            {
                "result": {
                    "name": "Front",
                    "rate_limit": {"requests_per_minute": 5},
                    "permissions": ["conversations:read"],
                    "key": ABSENT,
                }
            }
        ),
        _MADE,
    ),
    _case(
        "everything changes",
        _UPDATE,
        {**_THE_KEY, "description": "d", "permissions": ["files:read", "mcp:call"], "expires_at": _SOON},
        Reply({"result": {"description": "d", "permissions": ["files:read", "mcp:call"], "expires_at": _SOON}}),
        _MADE,
    ),
    _case(
        "a limit is taken back",
        _UPDATE,
        {**_THE_KEY, "rate_limit": {}},
        Reply({"result": {"rate_limit": ABSENT}}),
        Call(_CREATE, {**_PLAIN, "rate_limit": {"requests_per_minute": 5}}, {"key": "result.key_id"}, ANNA_HERSELF),
    ),
    _case(
        "a budget is taken back",
        _UPDATE,
        {**_THE_KEY, "budget": {}},
        Reply({"result": {"budget": ABSENT}}),
        Call(_CREATE, {**_PLAIN, "budget": {"tokens_per_day": "5"}}, {"key": "result.key_id"}, ANNA_HERSELF),
    ),
    _case(
        "a budget is given",
        _UPDATE,
        {**_THE_KEY, "budget": {"tokens_per_month": "7"}},
        Reply({"result": {"budget": {"tokens_per_day": "0", "tokens_per_month": "7"}}}),
        _MADE,
    ),
    _case("nobody widens a key beyond the own rights", _UPDATE, {**_THE_KEY, "permissions": ["*"]}, _EXCEEDED, _MADE),
    _case(
        "nobody touches a key that may do more",
        _UPDATE,
        {**_THE_KEY, "expires_at": _LATER},
        _EXCEEDED,
        Call(_CREATE, {**_PLAIN, "permissions": ["conversations:write"]}, {"key": "result.key_id"}, ANNA_HERSELF),
        by=_READER,
    ),
    _case("a revoked key stays as it was", _UPDATE, {**_THE_KEY, "name": "x"}, _ENDED, _MADE, _REVOKED),
    _bad("a change to no scope", _UPDATE, {"key_id": UNKNOWN_ID, "permissions": ["x"]}, "permissions"),
    _bad("a change to an end that is past", _UPDATE, {"key_id": UNKNOWN_ID, "expires_at": _LONG_AGO}, "expires_at"),
    _case(
        "another key takes its place",
        _ROTATE,
        {**_THE_KEY, "overlap_seconds": 3600},
        Reply({"result": {"key": _TEXT, "name": "Backend", "permissions": ["conversations:read"], "is_active": True}}),
        _MADE,
    ),
    _case(
        "the old key counts for a while",
        _GET,
        _THE_KEY,
        Reply({"result": {"is_active": True, "expires_at": MOMENT, "revoked_at": ABSENT}}),
        _MADE,
        Call(_ROTATE, {**_THE_KEY, "overlap_seconds": 3600}, caller=ANNA_HERSELF),
    ),
    _case(
        "without an overlap the old key is over",
        _GET,
        _THE_KEY,
        Reply({"result": {"is_active": False, "revoked_at": MOMENT}}),
        _MADE,
        Call(_ROTATE, _THE_KEY, caller=ANNA_HERSELF),
    ),
    _case("a key that is over is not replaced", _ROTATE, _THE_KEY, _ENDED, _MADE, _REVOKED),
    _case(
        "nobody replaces a key that may do more",
        _ROTATE,
        _THE_KEY,
        _EXCEEDED,
        Call(_CREATE, {**_PLAIN, "permissions": ["conversations:write"]}, {"key": "result.key_id"}, ANNA_HERSELF),
        by=_READER,
    ),
    _bad("too long an overlap", _ROTATE, {"key_id": UNKNOWN_ID, "overlap_seconds": 604801}, "overlap_seconds"),
    _case("a key is revoked", _REVOKE, _THE_KEY, Reply({"result": {"is_active": False, "revoked_at": MOMENT}}), _MADE),
    _case(
        "a revoked key stays revoked since the first time",
        _REVOKE,
        _THE_KEY,
        Reply({"result": {"revoked_at": "$since"}}),
        _MADE,
        Call(_REVOKE, _THE_KEY, {"since": "result.revoked_at"}, ANNA_HERSELF),
    ),
]
_OF_ONE = (_GET, _UPDATE, _ROTATE, _REVOKE, _USAGE)
_ACCESS = [
    case
    for rpc in _OF_ONE
    for case in (
        _case(f"{rpc}: a colleague's", rpc, _THE_KEY, _NOT_FOUND, _MADE, by=_BERT_HIMSELF),
        _case(f"{rpc}: a namesake's elsewhere", rpc, _THE_KEY, _NOT_FOUND, _MADE, by=_NAMESAKE),
        _case(f"{rpc}: nobody's", rpc, {"key_id": UNKNOWN_ID}, _NOT_FOUND),
        _bad(f"{rpc}: none", rpc, {}, "key_id"),
    )
]

CASES = [*_CREATED, *_READ, *_CHANGED, *_ACCESS]
