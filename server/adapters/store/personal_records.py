"""Everything that is the transaction's owner's, table by table, as `personal_data` declares it for exports."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Column, Integer, Table, Text, bindparam, literal_column, select, text, tuple_

from server.adapters.store import tables
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Row
from server.adapters.store.paging import LIMIT
from server.adapters.store.personal_data import PERSONAL_DATA, Personal
from server.adapters.store.predicates import IS_UNDER_WAY
from server.adapters.store.scope import Scope
from server.adapters.store.statement import OWNER, TENANT, owned
from server.adapters.store.times import moment
from server.ports.exports import RecordKey, Source

_PARENTS: Final = {"conversation_id": "conversations", "key_id": "api_keys"}
_TIME: Final = "_at"
_WITHIN = bindparam("within", type_=STRING)


class _Exported:
    """A table that is exported: its statements, and how its rows become records."""

    def __init__(self, table: Table, declared: Personal) -> None:
        self.source = Source(
            name=table.name,
            kind=declared.kind or "",
            parents=None if declared.within is None else _PARENTS[declared.within],
            is_within_parent=declared.within in [column.name for column in table.primary_key],
            has_contents=declared.contents,
        )
        self._declared = declared
        self._key = [column for column in table.primary_key if column.name not in (TENANT, OWNER, declared.within)]
        # One row for each user, whom the statement names already.
        self._key = self._key or [column for column in table.primary_key if column.name == OWNER]
        self._columns = [column for column in table.c if column.name not in declared.hidden]
        within = () if declared.within is None else (table.c[declared.within] == _WITHIN,)
        key = tuple_(*self._key)
        behind = key > tuple_(*(bindparam(f"after_{index}", type_=each.type) for index, each in enumerate(self._key)))
        same = [each == bindparam(f"is_{index}", type_=each.type) for index, each in enumerate(self._key)]
        self.keys = owned(select(*self._key).where(*within, behind).order_by(*self._key).limit(LIMIT), table)
        self.record = owned(select(*self._columns).where(*within, *same), table)

    def behind(self, after: RecordKey | None) -> dict[str, Any]:
        """The parameters of `keys`: behind a key, or from the first one on."""
        values = [_before_all(column) for column in self._key] if after is None else after
        return {f"after_{index}": value for index, value in enumerate(values)}

    def same(self, key: RecordKey) -> dict[str, Any]:
        """The parameters of `record`."""
        return {f"is_{index}": value for index, value in enumerate(key)}

    def fits(self, key: RecordKey) -> bool:
        """Whether a key has the form of this table's."""
        types = [str if isinstance(column.type, Text) else int for column in self._key]
        return [type(value) for value in key] == types

    def shown(self, row: Row) -> dict[str, Any]:
        """A row as a record."""
        return {column.name: self._value(column.name, value) for column, value in zip(self._columns, row, strict=True)}

    def _value(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        if name.endswith(_TIME):
            return moment(value).isoformat().replace("+00:00", "Z")
        return orjson.loads(value) if name in self._declared.json else value


def _before_all(column: Column[Any]) -> str | int:
    """Less than any value that the column of a key has."""
    return -1 if isinstance(column.type, Integer) else ""


_EXPORTED: Final = {
    name: _Exported(tables.METADATA.tables[name], declared)
    for name, declared in PERSONAL_DATA.items()
    if declared.kind is not None
}
_SOURCES: Final = tuple(exported.source for exported in _EXPORTED.values())
_KNOWN = owned(select(literal_column("1")).select_from(tables.users), tables.users)
_BARRED = owned(select(literal_column("1")).select_from(tables.erasures).where(text(IS_UNDER_WAY)), tables.erasures)


class StoredPersonalRecords:
    """See `ports.exports.PersonalRecords`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def sources(self) -> Sequence[Source]:
        """All sources."""
        return _SOURCES

    async def keys(self, source: str, parent: str, *, after: RecordKey | None, limit: int) -> list[RecordKey]:
        """Keys behind one, ascending."""
        exported = _EXPORTED[source]
        rows = await self._scope.fetch(exported.keys, within=parent, limit=limit, **exported.behind(after))
        return [tuple(row) for row in rows]

    async def record(self, source: str, parent: str, key: RecordKey) -> Mapping[str, Any] | None:
        """A record as it is now."""
        exported = _EXPORTED[source]
        row = await self._scope.fetch_one(exported.record, within=parent, **exported.same(key))
        return None if row is None else exported.shown(row)

    def fits(self, source: str, key: RecordKey) -> bool:
        """Whether that can be a key of that source."""
        return source in _EXPORTED and _EXPORTED[source].fits(key)

    async def is_known(self) -> bool:
        """Whether the owner is a user who is not being erased."""
        if await self._scope.fetch_one(_BARRED) is not None:
            return False
        return await self._scope.fetch_one(_KNOWN) is not None
