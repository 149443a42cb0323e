"""Every table says what becomes of a user's rows when the user's data is exported or erased."""

import pytest
from sqlalchemy import Table

from server.adapters.store.personal_data import PERSONAL_DATA, Erased
from server.adapters.store.tables import METADATA

_PLACE = "server/adapters/store/personal_data.py"
TABLES = METADATA.sorted_tables


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_is_declared(table: Table) -> None:
    assert table.name in PERSONAL_DATA, (
        f"the table {table.name!r} says nothing of a user's data: add one entry for it to PERSONAL_DATA in {_PLACE} "
        "- the kind of its records in an export (or why there are none), and how an erasure gets rid of its rows"
    )


def test_nothing_is_declared_that_is_no_table() -> None:
    assert set(PERSONAL_DATA) <= set(METADATA.tables)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_what_is_declared_fits_the_table(table: Table) -> None:
    declared = PERSONAL_DATA[table.name]
    named = {*declared.hidden, *declared.json, *declared.names, *declared.ids}
    named |= {column for column in (declared.within, declared.named_in) if column}
    assert named <= set(table.columns.keys())
    if declared.kind is None or declared.erased in (Erased.RENAMED, Erased.KEPT):
        assert declared.why, f"say in {_PLACE} why {table.name} is not exported, or not deleted"
    assert (declared.kind is None) or declared.within or _is_found_by_owner(table)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_are_found_and_deleted_by_what_is_declared(table: Table) -> None:
    cascades = {key.parent.name for key in table.foreign_keys if key.ondelete == "CASCADE" and not key.parent.nullable}
    match PERSONAL_DATA[table.name].erased:
        case Erased.BY_OWNER:
            assert _is_found_by_owner(table), f"an index of {table.name} has to begin with tenant and owner"
        case Erased.WITH_CONVERSATION:
            assert "conversation_id" in cascades
        case Erased.WITH_PARENT:
            assert cascades
        case Erased.RENAMED | Erased.KEPT:
            pass


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_columns_that_name_whoever_acted_are_declared(table: Table) -> None:
    declared = PERSONAL_DATA[table.name]
    acting = {name for name in set(table.columns.keys()) if name == "actor" or name.endswith("_by")}
    assert acting <= {*declared.names, *declared.ids}, f"somebody else than the owner may be named there: {_PLACE}"


def _is_found_by_owner(table: Table) -> bool:
    names = [column.name for column in table.primary_key]
    indices = [names, *([column.name for column in index.columns] for index in table.indexes)]
    # Models and organizations are few; nothing else may be looked through from end to end.
    return table.name in {"models", "organizations"} or any(index[:2] == ["tenant", "owner"] for index in indices)
