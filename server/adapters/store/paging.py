"""Lists that are sorted by a time and an id, the newest first, and cut into pages."""

from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, bindparam, tuple_

from server.adapters.store.columns import STRING
from server.adapters.store.times import micros
from server.ports.store import ListPosition

LIMIT: Final = bindparam("limit", type_=BigInteger)
OFFSET: Final = bindparam("offset", type_=BigInteger)

# Stand for "no limit" and "from the start", so that one statement serves every page.
NO_LIMIT: Final = 2**62
BEFORE_ALL: Final = (2**63 - 1, "")


def listed_after(time: ColumnElement[int], row_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Rows behind the parameters `time` and `id` in a list that is sorted by both, descending."""
    return tuple_(time, row_id) < tuple_(bindparam("time", type_=BigInteger), bindparam("id", type_=STRING))


def list_parameters(limit: int | None, after: ListPosition | None) -> dict[str, Any]:
    """The parameters of such a list."""
    time, row_id = (micros(after.time), after.id) if after else BEFORE_ALL
    return {"limit": NO_LIMIT if limit is None else limit, "time": time, "id": row_id}
