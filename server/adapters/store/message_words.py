"""Stores messages together with what a search finds them by, in one round trip on PostgreSQL."""

from base64 import b32encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import BigInteger, Insert, Select, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or_leave

from server.adapters.store import tables
from server.adapters.store.columns import STRING
from server.adapters.store.dialects import POSTGRES
from server.adapters.store.scope import Scope
from server.adapters.store.statement import Owned, Parameters, Statement, owned, owned_insert
from server.adapters.store.times import micros
from server.domain.principal import Owner
from server.domain.words import folded_words

_table = tables.message_words
_c = _table.c
_message = tables.messages.c
_COLUMNS: Final = ("number", "tenant", "owner", "message_id", "scope", "marks", "words")
_SCOPES_KEPT: Final = 4096
_MICROS_PER_NUMBER: Final = 1000
NUMBERS: Final = 2**21
"""How many messages of one millisecond have numbers of their own. Copies of a conversation keep its times."""
_LAST_MILLISECOND: Final = 2**42 - 1

_first = bindparam("first_number", type_=BigInteger)
_found = tuple(bindparam(name, type_=STRING) for name in ("scope", "marks", "words"))
# On SQLite the number has to be this message's alone; there is one writer at a time.
_free = select(func.max(_c.number) + 1).where(_c.number >= _first, _c.number < _first + NUMBERS).scalar_subquery()


def _of_stored() -> Select[Any]:
    return select(func.coalesce(_free, _first), _message.tenant, _message.owner, _message.id, *_found).where(
        _message.id == bindparam("message_id", type_=STRING)
    )


def _with_message() -> Insert:
    """A message and its words by one statement."""
    added = insert(tables.messages).returning(_message.tenant, _message.owner, _message.id).cte("added")
    return insert(_table).from_select(_COLUMNS, select(_first, added.c.tenant, added.c.owner, added.c.id, *_found))


_ADD_MESSAGE = owned_insert(tables.messages)
_of_owner = owned(_of_stored(), tables.messages).core
assert isinstance(_of_owner, Select)  # noqa: S101 - for mypy: what was narrowed is still a query
_ADD_WORDS = Owned(insert(_table).from_select(_COLUMNS, _of_owner))
# Only PostgreSQL can; see `store_messages`.
_ADD_BOTH: Final[Mapping[str, Owned]] = {POSTGRES.name: Owned(_with_message())}
ADD_WORDS_OF_ANYBODY: Final = Statement(
    insert_or_leave(_table).from_select(_COLUMNS, _of_stored()).on_conflict_do_nothing()
)
"""Of a message that is stored already; nothing happens when they are, too."""


async def store_messages(scope: Scope, rows: Sequence[Parameters]) -> None:
    """Insert messages of the owner, given as values of their columns."""
    plain, worded = [], []
    for row in rows:
        found = words_of(scope.owner, row)
        if found is None:
            plain.append(row)
        else:
            worded.append({**row, **found})
    together = _ADD_BOTH.get(scope.dialect.name)
    if together is None:
        await scope.insert(_ADD_MESSAGE, rows)
        if worded:
            await scope.insert(_ADD_WORDS, worded)
        return
    if worded:
        await scope.insert(together, worded)
    if plain:
        await scope.insert(_ADD_MESSAGE, plain)


def words_of(owner: Owner, row: Parameters) -> dict[str, Any] | None:
    """What a message of these columns is found by, as parameters; `None` for one without words."""
    found = folded_words(row["content"])
    if not found:
        return None
    scope = scope_of(owner)
    marks = [role_mark(row["role"]), conversation_mark(row["conversation_id"])]
    if row["model"]:
        marks.append(model_mark(row["model"]))
    return {
        "message_id": row["id"],
        "first_number": first_number(row["created_at"]),
        "scope": scope,
        "marks": "".join(f" {scope}{mark}" for mark in marks),
        "words": f" {' '.join(found)} ",
    }


def first_number(time: int) -> int:
    """The first number of messages of the millisecond of a time, given in microseconds."""
    return min(max(time // _MICROS_PER_NUMBER, 0), _LAST_MILLISECOND) * NUMBERS


def number_at(time: datetime) -> int:
    """The first number of messages of the millisecond of a moment."""
    return first_number(micros(time))


@lru_cache(maxsize=_SCOPES_KEPT)
def scope_of(owner: Owner) -> str:
    """What stands before the owner's words: 8 characters. Two owners may have the same, which costs and shows nothing
    more than that."""
    return _digest(f"{owner.tenant}\x1f{owner.user}", 5)


def role_mark(role: str) -> str:
    """What marks a message of a role."""
    return f"r{role}"


def conversation_mark(conversation_id: str) -> str:
    """What marks a message of a conversation."""
    return f"t{_digest(conversation_id, 10)}"


def model_mark(model: str) -> str:
    """What marks a message that a model wrote."""
    return f"m{_digest(model, 10)}"


def _digest(text: str, size: int) -> str:
    """Lower-case letters and digits: eight for five bytes."""
    return b32encode(blake2b(text.encode(), digest_size=size).digest()).decode().lower()
