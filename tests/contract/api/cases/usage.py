"""`parley.v1.UsageService`: what models cost, and who is told of it."""

from tests.contract.api.case import (
    ABSENT,
    ANNA,
    BERT,
    MOMENT,
    STRANGER,
    UUID,
    Call,
    Caller,
    Case,
    Json,
    Matching,
    Refused,
    Reply,
)

_SERVICE = "parley.v1.UsageService"
_LIST, _TENANT, _RUN, _THREAD, _BUDGETS = (
    f"{_SERVICE}/{name}" for name in ("ListUsage", "ListTenantUsage", "GetRunUsage", "GetThreadUsage", "ListBudgets")
)
_RUNS = "parley.v1.RunService"
_DAY = Matching(r"\d{4}-\d{2}-\d{2}")
_FOR_ANNA = Caller(user="service", on_behalf_of="anna")
_TOTAL: Json = {
    "calls": "1",
    "input_tokens": "3",
    "output_tokens": "4",
    "cached_tokens": "0",
    "images": "0",
    "cost_micros": "43",
    "unpriced_calls": "0",
    "estimated_calls": "0",
}
"""Of one answer of the stage's model: three tokens at one unit a million, four at ten."""
_CALL: Json = {
    "id": UUID,
    "kind": "CALL_KIND_ANSWER",
    "provider": "scripted",
    "model": "first",
    "key_id": UUID,
    "started_at": MOMENT,
    "input_tokens": "3",
    "output_tokens": "4",
    "cached_tokens": ABSENT,
    "images": "0",
    "cost_micros": "43",
    "is_estimated": False,
}
_THE_RUN: Json = {"run_id": "$run"}


def _answered(caller: Caller = ANNA, key: str = "talk") -> tuple[Call, ...]:
    """A thread with one answer."""
    said: Json = {"conversation_key": key, "user_message": {"role": "ROLE_USER", "content": "Hi"}}
    return (
        Call("parley.v1.ThreadService/CreateThread", {"name": "Talk", "conversation_key": key}, caller=caller),
        Call(f"{_RUNS}/SendMessage", said, {"run": "run_id"}, caller),
        Call(f"{_RUNS}/StreamRun", _THE_RUN, caller=caller),
    )


def _case(name: str, rpc: str, request: Json, wants: Reply | Refused, *before: Call, by: Caller = ANNA) -> Case:
    return Case(f"usage: {name}", rpc, request, wants, before, by)


def _bad(name: str, rpc: str, request: Json, *fields: str) -> Case:
    return _case(name, rpc, request, Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, fields))


_ROW: Json = {
    "date": _DAY,
    "user": "anna",
    "key_id": UUID,
    "provider": "scripted",
    "model": "first",
    "total": _TOTAL,
}
_NOTHING: Json = {"rows": [], "next_page_token": ABSENT}

CASES = [
    _case("what was used is listed", _LIST, {}, Reply({"rows": [_ROW], "next_page_token": ABSENT}), *_answered()),
    _case(
        "of a model and days",
        _LIST,
        {"model": "first", "from_date": "2001-01-01"},
        Reply({"rows": [_ROW]}),
        *_answered(),
    ),
    _case("of another model", _LIST, {"model": "second"}, Reply(_NOTHING), *_answered()),
    _case("of days that are over", _LIST, {"to_date": "2001-01-01"}, Reply(_NOTHING), *_answered()),
    _case("through another key", _LIST, {"key_id": "another"}, Reply(_NOTHING), *_answered()),
    _case("of a colleague nothing is listed", _LIST, {}, Reply(_NOTHING), *_answered(), by=BERT),
    _case("what is done for another is the other's", _LIST, {}, Reply({"rows": [_ROW]}), *_answered(_FOR_ANNA)),
    _case("no page is behind the last", _LIST, {"page_size": 1}, Reply({"next_page_token": ABSENT}), *_answered()),
    _bad("a day that is none", _LIST, {"from_date": "2026-02-30"}, "from_date"),
    _bad("a day in another form", _LIST, {"to_date": "20260201"}, "to_date"),
    _bad("a page that is too large", _LIST, {"page_size": 1001}, "page_size"),
    _case(
        "a token of something else",
        _LIST,
        {"page_token": "bm8"},
        Refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", 400),
    ),
    _case(
        "to read it takes the scope",
        _LIST,
        {},
        Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        by=Caller(scopes=("conversations:read",)),
    ),
    _case(
        "what the tenant used is listed by user",
        _TENANT,
        {},
        Reply({"rows": [_ROW, {"user": "bert", "total": _TOTAL}]}),
        *_answered(),
        *_answered(BERT),
    ),
    _case(
        "of one user",
        _TENANT,
        {"user": "bert"},
        Reply({"rows": [{"user": "bert"}]}),
        *_answered(),
        *_answered(BERT),
    ),
    _case("of another tenant nothing is listed", _TENANT, {}, Reply(_NOTHING), *_answered(), by=STRANGER),
    _bad("a day of the tenant that is none", _TENANT, {"from_date": "today"}, "from_date"),
    _case(
        "who reads what is the reader's own does not read the tenant's",
        _TENANT,
        {},
        Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        by=Caller(scopes=("usage:read",)),
    ),
    _case(
        "a run shows its calls",
        _RUN,
        _THE_RUN,
        Reply({"total": _TOTAL, "calls": [_CALL], "next_page_token": ABSENT}),
        *_answered(),
    ),
    _case(
        "another's run is not there", _RUN, _THE_RUN, Refused("NOT_FOUND", "RUN_NOT_FOUND", 404), *_answered(), by=BERT
    ),
    _bad("no run", _RUN, {}, "run_id"),
    _case(
        "a thread shows what it used of each model",
        _THREAD,
        {"conversation_key": "talk"},
        Reply({"total": _TOTAL, "models": [{"provider": "scripted", "model": "first", "total": _TOTAL}]}),
        *_answered(),
    ),
    _case(
        "another's thread is not there",
        _THREAD,
        {"conversation_key": "talk"},
        Refused("NOT_FOUND", "CONVERSATION_NOT_FOUND", 404),
        *_answered(),
        by=BERT,
    ),
    _bad("no thread", _THREAD, {}, "conversation_key"),
    _case("nothing is bounded where nobody said so", _BUDGETS, {}, Reply({"budgets": []})),
    _case(
        "to read budgets takes the scope",
        _BUDGETS,
        {},
        Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        by=Caller(scopes=("conversations:read",)),
    ),
]
