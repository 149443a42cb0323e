"""Every method leaves in the audit what its proto declares, and whatever is done in another's name is told in any case.

The writes are those of the descriptors, the requests those of the cases: a new RPC is covered with its first case.
"""

import sqlite3
from contextlib import closing

import pytest
from parley.options.v1 import options_pb2

from tests.contract.api.case import ANNA, Caller, Case
from tests.contract.api.playing import METHODS, PLAYERS, TENANTS, play, prepare, request_of
from tests.contract.api.serving import Served
from tests.contract.api.stage import Stage
from tests.contract.api.test_access import NEVER_FOR_OTHERS
from tests.contract.api.test_repeats import WRITES

_FOR_ANNA = Caller(user="service", on_behalf_of="anna")
_REQUEST = "the-call-itself"
_FOUND = "SELECT actor, owner, act, object, outcome FROM audit WHERE tenant = ? AND request_id = ? ORDER BY id"
# What only a person may nobody does in another's name.
_IN_ANOTHERS_NAME = [
    case
    for case in WRITES
    if case.rpc not in NEVER_FOR_OTHERS and not METHODS[case.rpc].GetOptions().Extensions[options_pb2.rule].needs_person
]


async def _deeds(served: Served, case: Case, caller: Caller) -> list[tuple[str, str, str, str, str]]:
    """Play a case as somebody; returns what the audit tells of that call."""
    stage, player = Stage(served, f"audit-{next(TENANTS)}"), PLAYERS["grpc"](served)
    await stage.headers(ANNA)  # who comes first owns the organization
    kept = stage.kept
    for call in case.before:
        await prepare(player, stage, call, kept)
    headers = {**await stage.headers(caller), "x-request-id": _REQUEST}
    await play(player, METHODS[case.rpc], request_of(METHODS[case.rpc], case.request, kept), headers)
    with closing(sqlite3.connect(served.database)) as connection:
        return connection.execute(_FOUND, (stage.tenant, _REQUEST)).fetchall()


def _is_audited(case: Case) -> bool:
    return bool(METHODS[case.rpc].GetOptions().Extensions[options_pb2.rule].audited)


def test_keys_members_and_deletions_are_audited() -> None:
    audited = {case.rpc.rpartition("/")[2] for case in WRITES if _is_audited(case)}
    assert audited >= {
        *("CreateKey", "UpdateKey", "RotateKey", "RevokeKey", "CreateOrganization", "SetMember", "RemoveMember"),
        *("DeleteThread", "DeleteConversation", "RemoveConversation", "DeleteFile", "DeleteFolder"),
    }


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", WRITES, ids=lambda case: case.rpc)
async def test_a_method_leaves_a_record_if_it_says_so(served: Served, case: Case) -> None:
    deeds = await _deeds(served, case, case.caller)
    assert [(actor, subject, outcome) for actor, subject, _, _, outcome in deeds] == (
        [("anna", "anna", "DONE")] if _is_audited(case) else []
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", _IN_ANOTHERS_NAME, ids=lambda case: case.rpc)
async def test_what_is_done_in_anothers_name_is_told_with_both(served: Served, case: Case) -> None:
    deeds = [deed for deed in await _deeds(served, case, _FOR_ANNA) if deed[2] != "impersonation.begin"]
    assert [(actor, subject) for actor, subject, *_ in deeds] == [("service", "anna")]
    if not _is_audited(case):
        assert deeds[0][2:4] == ("impersonation.write", case.rpc)
