"""The audit: found by what is asked for, told to its tenant alone, and never changed."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from server.domain.audit import Act, AuditFilter, AuditRecord, Deed
from server.domain.ids import KeyId
from server.domain.principal import Owner
from server.ports.store import ListPosition, Store
from tests.contract.store.builders import ALICE, ALICE_ELSEWHERE, BOB, at, audit_record
from tests.contract.store.postgres_server import PostgresServer


async def _added(store: Store, owner: Owner, record: AuditRecord) -> AuditRecord:
    await store.write(owner, lambda tx: tx.audit.add(record))
    return record


async def _of_tenant(store: Store, owner: Owner, **wanted: object) -> list[AuditRecord]:
    filtered = AuditFilter(**wanted)  # type: ignore[arg-type]  # of the fields' types, every one
    return await store.read(owner, lambda tx: tx.audit.of_tenant(filtered, limit=99, after=None))


async def test_a_record_is_kept_whole(store: Store) -> None:
    by_key = await _added(store, ALICE, audit_record(time=1, actor="bob"))
    by_person = await _added(store, ALICE, audit_record(time=2, key_id=None, request_id=""))
    assert await _of_tenant(store, BOB) == [by_person, by_key]
    assert await _of_tenant(store, ALICE_ELSEWHERE) == []


async def test_a_record_is_stored_as_the_owners(store: Store) -> None:
    await _added(store, BOB, audit_record(ALICE_ELSEWHERE))
    (found,) = await _of_tenant(store, ALICE)
    assert (found.tenant, found.subject) == (BOB.tenant, BOB.user)


async def test_records_meet_all_that_is_asked_for(store: Store) -> None:
    first = await _added(store, ALICE, audit_record(time=1, actor="carl"))
    second = await _added(store, BOB, audit_record(BOB, time=2, deed=Deed(Act.MEMBER_SET, "x")))
    third = await _added(store, ALICE, audit_record(time=3, deed=Deed(Act.MEMBER_SET, "y")))
    wanted: list[tuple[dict[str, object], list[AuditRecord]]] = [
        ({}, [third, second, first]),
        ({"actor": "carl"}, [first]),
        ({"subject": ALICE.user}, [third, first]),
        ({"act": "member.set"}, [third, second]),
        ({"act": "member.set", "object": "x"}, [second]),
        ({"since": at(2)}, [third, second]),
        ({"until": at(2)}, [first]),
        ({"since": at(2), "until": at(3)}, [second]),
        ({"by_others": True}, [first]),
        ({"actor": "nobody"}, []),
    ]
    for asked, found in wanted:
        assert await _of_tenant(store, ALICE, **asked) == found, asked


async def test_pages_follow_each_other(store: Store) -> None:
    records = [await _added(store, ALICE, audit_record(time=time)) for time in (1, 1, 2)]
    records.sort(key=lambda record: (record.created_at, record.id), reverse=True)
    seen: list[AuditRecord] = []
    after = None
    while page := await store.read(ALICE, lambda tx, a=after: tx.audit.of_tenant(AuditFilter(), limit=1, after=a)):  # type: ignore[misc]
        seen += page
        after = ListPosition(time=page[-1].created_at, id=page[-1].id)
    assert seen == records


async def test_the_service_stores_a_record_as_it_is(store: Store) -> None:
    record = audit_record(ALICE, actor="operator", key_id=KeyId("k"))
    await store.write_system(lambda tx: tx.add_audit(record))
    assert await _of_tenant(store, ALICE) == [record]


_CHANGES = ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"]


@pytest.mark.parametrize("change", _CHANGES)
def test_an_embedded_database_changes_no_record(sqlite_path: Path, change: str) -> None:
    with closing(sqlite3.connect(sqlite_path)) as connection:
        connection.execute("INSERT INTO audit VALUES ('t', 'o', 'i', 'a', 'x', 'y', 1, '', NULL, 'DONE', '', 1)")
        with pytest.raises(sqlite3.IntegrityError, match="only ever added to"):
            connection.execute(change)
        assert connection.execute("SELECT actor FROM audit").fetchall() == [("a",)]


@pytest.mark.parametrize("change", _CHANGES)
def test_a_database_server_changes_no_record(
    postgres_server: PostgresServer, postgres_database: str, postgres_url: str, change: str
) -> None:
    del postgres_url  # empties the database
    row = "INSERT INTO audit VALUES ('t', 'o', 'i', 'a', 'x', 'y', 1, '', NULL, 'DONE', '', 1)"
    postgres_server.execute(row, database=postgres_database)
    with pytest.raises(Exception, match="only ever added to"):
        postgres_server.execute(change, database=postgres_database)
