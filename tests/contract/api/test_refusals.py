"""A write that is refused leaves nothing behind: every row of the caller's tenant is what it was.

The writes are those of the descriptors, the refusals those of the cases: a new case is covered as it is written. Calls
without a good key are left out, for they reach no use case.
"""

import asyncio
import sqlite3
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.descriptor_pb2 import MethodOptions

from server.adapters.store.tables import METADATA
from server.domain.events import Event, RunPaused, TextDelta
from server.domain.ids import RunId
from server.domain.principal import Owner
from tests.contract.api.case import Case, Refused
from tests.contract.api.cases import access
from tests.contract.api.player import CallRefused
from tests.contract.api.playing import METHODS, PLAYERS, TENANTS, play, prepare, request_of
from tests.contract.api.serving import Served
from tests.contract.api.stage import Stage
from tests.contract.api.test_cases import CASES

Rows = dict[str, list[tuple[Any, ...]]]

_OF_CALLS: Final = {"users", "api_keys", "key_usage"}
"""Tables that tell of callers, whatever came of their calls."""
_ROWS_OF: Final = {"audit": "SELECT * FROM audit WHERE tenant = ? AND outcome <> 'REFUSED'"}

_ANSWERED: Final = {
    "a chat whose answer waits for somebody says so at once",
    "a failed answer is an error with its reason",
    "a failed run is an error with the run's reason",
    "a failure before the first event is an ordinary error",
    "a prompt whose answer waits for somebody says so at once",
    "a provider that limits the rate is told so",
    "an answer that does not come in time is a processing error",
    "an answer that the operator does not allow is an error",
    "an answer that the provider fails is a processing error",
    "parley.archive.v3.ArchiveService/Chat: a failed answer",
    "parley.archive.v3.ArchiveService/StreamChat: a failed answer",
}
"""Cases of calls that are not refused but taken, and fail in what the model answers."""

_USED_UP: Final = {"a URL is used up by another content", "a content of another size", "a content that is longer"}
"""Cases of a signed URL that is good for one attempt, which is what the refused call leaves behind."""

_PAID: Final = {"a model that fails makes no summary", "a summary that breaks a rule is none"}
"""Cases in which a model was asked: that it was paid for stays."""
_BILLS: Final = {"usage_calls", "usage_days", "spending"}

REFUSED: Final = [
    case
    for case in CASES
    if case not in access.CASES
    and case.name not in _USED_UP
    and isinstance(case.wants, Refused)
    and METHODS[case.rpc].GetOptions().idempotency_level != MethodOptions.NO_SIDE_EFFECTS
]


def rows_of(database: Path, tenant: str) -> Rows:
    """Every row that a tenant has, by table; but that something was refused may be told."""
    with closing(sqlite3.connect(database)) as connection:
        return {
            name: sorted(
                connection.execute(_ROWS_OF.get(name, f'SELECT * FROM "{name}" WHERE tenant = ?'), (tenant,)), key=repr
            )
            for name, table in METADATA.tables.items()
            if name not in _OF_CALLS and "tenant" in table.columns
        }


async def at_rest(served: Served, tenant: str) -> None:
    """Wait until the answers that the calls before began are whole, are held, or wait for somebody; what waits behind
    one stays."""
    with closing(sqlite3.connect(served.database)) as connection:
        sql = "SELECT owner, conversation_id, id FROM runs WHERE tenant = ? ORDER BY ticket"
        runs = connection.execute(sql, (tenant,)).fetchall()
    held = set()
    for owner, conversation, run_id in runs:
        if conversation not in held and not await _ended(served, Owner(tenant, owner), RunId(run_id)):
            held.add(conversation)


async def _ended(served: Served, owner: Owner, run_id: RunId) -> bool:
    async with asyncio.timeout(20), aclosing(served.house.streams.run(owner, run_id, after=0)) as events:
        async for event in events:
            match event.payload if isinstance(event, Event) else None:
                case TextDelta(text="Holding"):
                    return False
                case RunPaused() if (await served.house.runs.get(owner, run_id)).state.is_parked:
                    return False
    return True


def test_every_door_has_refused_writes() -> None:
    assert {case.name for case in CASES} >= _USED_UP
    assert {case.name for case in REFUSED} >= _ANSWERED | _PAID
    assert {case.rpc.partition("/")[0].rpartition(".")[0] for case in REFUSED} == {
        method.file.package for method in (METHODS[rpc].containing_service for rpc in METHODS)
    }


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
async def test_a_refused_write_leaves_nothing(served: Served, case: Case) -> None:
    """But a question that was taken, and whose answer failed, stays."""
    stage, player = Stage(served, f"refused-{next(TENANTS)}"), PLAYERS["http-in-process"](served)
    kept = stage.kept
    for call in case.before:
        await prepare(player, stage, call, kept)
    method, headers = METHODS[case.rpc], await stage.headers(case.caller)
    await at_rest(served, stage.tenant)
    before = rows_of(served.database, stage.tenant)
    with pytest.raises(CallRefused):
        await play(player, method, request_of(method, case.request, kept), headers)
    after = rows_of(served.database, stage.tenant)
    if case.name in _PAID:
        before, after = ({name: rows[name] for name in rows.keys() - _BILLS} for rows in (before, after))
    if case.name in _ANSWERED:
        assert len(after["messages"]) > len(before["messages"])
    else:
        assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
        # What is in the row of a run changes meanwhile: its worker renews its lease.
        assert {**after, "runs": []} == {**before, "runs": []}
