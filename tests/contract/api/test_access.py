"""Every RPC and every HTTP route for every kind of caller, from the descriptors.

What a call without a good credential, scope or right gets stands in `cases/access.py`, played over gRPC and the first
documented route of each RPC; here are all other routes, and callers with every right who are not the one whose
things they are: a colleague, a stranger, and who acts for others.
"""

import asyncio
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

import pytest
from parley.options.v1 import options_pb2

from server.domain.ids import default_organization_id
from tests.contract.api.case import ANNA, Caller, Json, Refused
from tests.contract.api.cases import access
from tests.contract.api.matching import resolve
from tests.contract.api.naming.outcome import Outcome, bindings, over_grpc, over_http
from tests.contract.api.player import drain
from tests.contract.api.playing import METHODS, PLAYERS, TENANTS, prepare, request_of
from tests.contract.api.serving import Served
from tests.contract.api.stage import Stage
from tests.contract.api.test_foreign_ids import OWNED_TABLES, base_case, ends
from tests.contract.api.test_refusals import at_rest

_ROUTES: Final = {rpc: len(bindings(method, request_of(method, {}, {}))) for rpc, method in METHODS.items()}
_FURTHER: Final = [(rpc, number) for rpc, count in _ROUTES.items() for number in range(1, count)]
_REFUSED: Final = {rpc: [case for case in access.CASES if case.rpc == rpc] for rpc in METHODS}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(run|call)_[0-9a-f]{32}")
_PATIENCE: Final = 60

CARL: Final = Caller(user="carl")
"""Of whom no case speaks."""
OTHERS: Final = {
    "another user with every right": CARL,
    "another tenant's user with every right": Caller(tenant="-elsewhere"),
    "who acts for another user": Caller(user="service", on_behalf_of="carl"),
}
FOR_ANNA: Final = Caller(user="service", on_behalf_of="anna")

_WEBHOOKS: Final = [rpc for rpc in METHODS if rpc.startswith("parley.v1.WebhookService/")]

WHOLE_TENANT: Final = {
    **dict.fromkeys(_WEBHOOKS, "webhooks are the tenant's, for whoever has the scope webhooks:admin"),
    "parley.v1.AuditService/ListAuditRecords": "who has the scope audit:read reads the tenant's audit",
    "parley.v1.UsageService/ListTenantUsage": "who has the scope usage:admin reads what the tenant used",
}
"""RPCs that show, or change, what others of the tenant have made or done, and why."""

NEVER_FOR_OTHERS: Final = {
    **dict.fromkeys(_WEBHOOKS, "webhooks are for administrators"),
    "parley.v1.AuditService/ListAuditRecords": "nobody reads the audit in another's name",
    "parley.v1.UsageService/ListTenantUsage": "nobody reads what the tenant used in another's name",
    "parley.v1.DataService/ExportData": "nobody has another's data exported in the other's name",
    "parley.v1.DataService/EraseUser": "nobody erases anybody in another's name",
    "parley.v1.DataService/GetErasure": "erasures are for administrators",
    "parley.v1.DataService/GetRetention": "retention is for administrators",
    "parley.v1.DataService/SetRetention": "retention is for administrators",
}
"""RPCs that are refused to whoever acts in another's name, with whatever rights, beside those that need a person."""

BY_SIGNATURE: Final = {"parley.v1.FileService/PutFile": "whoever shows the signed URL that Anna gave away may upload"}
"""RPCs whose token stands for Anna herself, and change what is hers."""


def _rule(rpc: str) -> Any:
    return METHODS[rpc].GetOptions().Extensions[options_pb2.rule]


async def _call(served: Served, rpc: str, request: Json, headers: dict[str, str], route: int | None) -> Outcome:
    """Over HTTP by that route, over gRPC without one."""
    method = METHODS[rpc]
    message = request_of(method, request, {})
    async with asyncio.timeout(_PATIENCE):
        if route is None:
            return await over_grpc(served, method, message, headers)
        return await over_http(served.in_process, bindings(method, message)[route], headers)


def test_every_kind_of_caller_is_played_on_every_rpc() -> None:
    kinds = {
        "no key",
        "a malformed key",
        "an unknown key",
        "a revoked key",
        "an expired key",
        "a key without any scope",
    }
    for rpc in METHODS:
        if not _rule(rpc).public:
            named = {case.name.removeprefix(f"{rpc}: ") for case in _REFUSED[rpc]}
            assert named >= {*kinds, "an impersonator without the right"}
    assert _FURTHER


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("rpc", "route"), _FURTHER)
async def test_no_route_lets_in_whom_another_refuses(served: Served, rpc: str, route: int) -> None:
    stage = Stage(served, f"access-{next(TENANTS)}")
    for case in _REFUSED[rpc]:
        assert isinstance(case.wants, Refused)
        outcome = await _call(served, rpc, case.request, await stage.headers(case.caller), route)
        codes = {"UNAUTHENTICATED": "401", "PERMISSION_DENIED": "403"}
        is_documented = route < _ROUTES[rpc] - 1 or METHODS[rpc].server_streaming
        assert outcome.status == (str(case.wants.http) if is_documented else codes[case.wants.code]), case.name


def _rows(served: Served, tenant: str, user: str, *, but: frozenset[str] = frozenset()) -> dict[str, list[Any]]:
    """Everything that a user has, but for what tells of callers, and for some tables."""
    with closing(sqlite3.connect(served.database)) as connection:
        return {
            table.name: sorted(
                connection.execute(f"SELECT * FROM {table.name} WHERE tenant = ? AND owner = ?", (tenant, user)),
                key=repr,
            )
            for table in OWNED_TABLES
            if table.name not in {"api_keys", "users", "runs"} | but
        }


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("who", OTHERS)
@pytest.mark.parametrize("rpc", [rpc for rpc in METHODS if rpc not in BY_SIGNATURE])
async def test_nobody_elses_call_shows_or_changes_what_is_annas(served: Served, rpc: str, who: str) -> None:
    """By the very request with which Anna herself succeeds."""
    case, stage = base_case(rpc), Stage(served, f"access-{next(TENANTS)}")
    for each in (ANNA, CARL):
        await stage.headers(each)
    own = stage.kept
    for call in case.before:
        await prepare(PLAYERS["grpc"](served), stage, call, own)
    await at_rest(served, stage.tenant)
    request = resolve(case.request, own)
    caller = (
        replace(OTHERS[who], key="token") if _rule(rpc).needs_person and not OTHERS[who].on_behalf_of else OTHERS[who]
    )
    headers = await stage.headers(caller)
    is_colleague = not caller.tenant and caller.on_behalf_of is None
    but = frozenset({"webhooks", "webhook_deliveries"}) if rpc in _WEBHOOKS and is_colleague else frozenset[str]()
    for route in (None, *range(_ROUTES[rpc])):
        before = _rows(served, stage.tenant, "anna", but=but)
        outcome = await _call(served, rpc, request, headers, route)
        assert _rows(served, stage.tenant, "anna", but=but) == before
        hers = {found[0] for found in _UUID.finditer(repr(before))} - {default_organization_id(stage.tenant)}
        shown = {found[0] for found in _UUID.finditer(outcome.body.decode(errors="replace") + repr(outcome.headers))}
        echoed = {found[0] for found in _UUID.finditer(repr(request))}
        assert not shown & hers - echoed or (rpc in WHOLE_TENANT and not caller.tenant)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("rpc", METHODS)
async def test_who_may_act_for_anna_does_what_she_can(served: Served, rpc: str) -> None:
    """An administrator with every right, in Anna's name."""
    case, stage = base_case(rpc), Stage(served, f"access-{next(TENANTS)}")
    await stage.headers(ANNA)
    own = stage.kept
    for call in case.before:
        await prepare(PLAYERS["grpc"](served), stage, call, own)
    request, headers = resolve(case.request, own), await stage.headers(FOR_ANNA)
    if not ends(case):
        message = request_of(METHODS[rpc], request, {})
        assert await drain(PLAYERS["grpc"](served).stream(METHODS[rpc], message, headers), at_most=1)
        return
    outcome = await _call(served, rpc, request, headers, None)
    if _rule(rpc).needs_person or rpc in NEVER_FOR_OTHERS:
        assert outcome.status == "PERMISSION_DENIED"
    else:
        assert outcome.status == "OK"
