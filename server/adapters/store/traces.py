"""A user's name and UUID in rows that stay: of other users, of the tenant, of the audit. An erasure puts a pseudonym in
their place; the user's own rows are none of this."""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Column, ColumnElement, Table, bindparam, func, select, update

from server.adapters.store import tables
from server.adapters.store.batches import update_some
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Executor, Row
from server.adapters.store.paging import LIMIT
from server.adapters.store.personal_data import PERSONAL_DATA, Erased
from server.adapters.store.statement import Statement
from server.domain.erasure import Erasure
from server.domain.ids import user_id

_RUNS_AT_ONCE: Final = 10
_tenant, _user, _subject = (bindparam(name, type_=STRING) for name in ("tenant", "user", "subject"))
_old, _new = bindparam("old", type_=STRING), bindparam("new", type_=STRING)
_audit, _runs, _approvals, _events = tables.audit.c, tables.runs.c, tables.approvals.c, tables.run_events.c

_SUBJECTS: Final = (
    Statement(select(_audit.owner).where(_audit.tenant == _tenant, _audit.actor == _user).distinct()),
    Statement(select(_runs.owner).where(_runs.tenant == _tenant, _runs.actor == _user).distinct()),
)


def _renaming(table: Table, column: Column[Any], *more: ColumnElement[bool]) -> Statement:
    return update_some(table, {column.name: _new}, table.c.tenant == _tenant, column == _old, *more)


def _replaced(column: Column[Any]) -> ColumnElement[str]:
    """A column of JSON with other members in the place of two."""
    one = func.replace(column, bindparam("old_name", type_=STRING), bindparam("new_name", type_=STRING))
    return func.replace(one, bindparam("old_id", type_=STRING), bindparam("new_id", type_=STRING))


def _holds(column: Column[Any]) -> ColumnElement[bool]:
    return column.like(bindparam("like_name", type_=STRING), escape="\\") | column.like(
        bindparam("like_id", type_=STRING), escape="\\"
    )


_IN_EVENTS = Statement(
    update(tables.run_events)
    .where(_events.run_id == bindparam("of_run", type_=STRING), _holds(_events.payload))
    .values(payload=_replaced(_events.payload))
    .returning(_events.sequence)
)
_of_run = bindparam("of_run", type_=STRING)
_IN_RUN = Statement(
    update(tables.runs).where(_runs.id == _of_run, _runs.tenant == _tenant, _runs.actor == _old).values(actor=_new)
)
_IN_APPROVALS = Statement(
    update(tables.approvals)
    .where(_approvals.run_id == _of_run, _approvals.tenant == _tenant, _approvals.decided_by == _old)
    .values(decided_by=_new)
)
_ACTED_IN = Statement(select(_runs.id).where(_runs.tenant == _tenant, _runs.actor == _user).limit(LIMIT))
_DECIDED_IN = Statement(
    select(_approvals.run_id).where(_approvals.tenant == _tenant, _approvals.decided_by == _user).limit(LIMIT)
)
_REQUESTS = update_some(
    tables.requests,
    {"result": _replaced(tables.requests.c.result)},
    tables.requests.c.tenant == _tenant,
    tables.requests.c.owner == _subject,
    _holds(tables.requests.c.result),
)


def _columns(kind: str) -> list[tuple[Table, Column[Any]]]:
    found = [
        (tables.METADATA.tables[name], tables.METADATA.tables[name].c[column])
        for name, declared in PERSONAL_DATA.items()
        for column in getattr(declared, kind)
    ]
    return [(table, column) for table, column in found if (table.name, column.name) != ("erasures", "owner")]


_OF_SUBJECT: Final = [
    _renaming(table, column, table.c.owner == _subject)
    for table, column in _columns("ids")
    if PERSONAL_DATA[table.name].erased is Erased.BY_OWNER
]
_IDS: Final = [
    _renaming(table, column)
    for table, column in _columns("ids")
    if PERSONAL_DATA[table.name].erased is not Erased.BY_OWNER
]
_NAMES: Final = [_renaming(table, column) for table, column in _columns("names")]

_ORGANIZATIONS = Statement(select(tables.organizations.c.id).where(tables.organizations.c.tenant == _tenant))
# `organization/user/role`: what is done to members. `0` is what comes behind `/`.
_OF_MEMBER = update_some(
    tables.audit,
    {"object": func.replace(_audit.object, bindparam("old_part", type_=STRING), bindparam("new_part", type_=STRING))},
    _audit.tenant == _tenant,
    _audit.object >= bindparam("first", type_=STRING),
    _audit.object < bindparam("behind", type_=STRING),
)


async def rename_traces(executor: Executor, erasure: Erasure, *, limit: int) -> int:
    """Rename some; returns how many rows, 0 when nothing bears the name any more."""
    for step in (_in_rows_of_subjects, _in_runs, _in_columns, _in_what_was_done_to_members):
        renamed = await step(executor, erasure, limit)
        if renamed:
            return renamed
    return 0


async def _in_rows_of_subjects(executor: Executor, erasure: Erasure, limit: int) -> int:
    """In what belongs to users for whom the user acted; the audit says who they are, so it comes last."""
    names, ids, nested = _parameters(erasure)
    subjects = {row[0] for statement in _SUBJECTS for row in await executor.fetch(statement, names)}
    done = 0
    for subject in sorted(subjects - {erasure.user.user}):
        of = {**names, "subject": subject, "limit": limit}
        for statement in _OF_SUBJECT:
            done += len(await executor.fetch(statement, {**of, **ids}))
        done += len(await executor.fetch(_REQUESTS, {**of, **nested}))
        if done >= limit:
            break
    return done


async def _in_runs(executor: Executor, erasure: Erasure, limit: int) -> int:
    """In the events of a few runs in which the user acted or decided, and then in those runs and decisions."""
    names, ids, nested = _parameters(erasure)
    some = min(limit, _RUNS_AT_ONCE)
    acted = await executor.fetch(_ACTED_IN, {**names, "limit": some})
    decided = await executor.fetch(_DECIDED_IN, {**names, "user": ids["old"], "limit": some})
    for run_id in _distinct([*acted, *decided]):
        await executor.fetch(_IN_EVENTS, {**nested, "of_run": run_id})
        await executor.fetch(_IN_RUN, {**names, **_name(erasure), "of_run": run_id})
        await executor.fetch(_IN_APPROVALS, {**names, **ids, "of_run": run_id})
    return len(acted) + len(decided)


async def _in_columns(executor: Executor, erasure: Erasure, limit: int) -> int:
    names, ids, _ = _parameters(erasure)
    done = 0
    for statements, renamed in ((_IDS, ids), (_NAMES, _name(erasure))):
        for statement in statements:
            done += len(await executor.fetch(statement, {**names, **renamed, "limit": limit}))
            if done >= limit:
                return done
    return done


async def _in_what_was_done_to_members(executor: Executor, erasure: Erasure, limit: int) -> int:
    names, _, _ = _parameters(erasure)
    user, pseudonym = erasure.user.user, erasure.pseudonym
    parts = {"old_part": f"/{user}/", "new_part": f"/{pseudonym}/", "limit": limit}
    done = 0
    for row in await executor.fetch(_ORGANIZATIONS, names):
        between = {"first": f"{row[0]}/{user}/", "behind": f"{row[0]}/{user}0"}
        done += len(await executor.fetch(_OF_MEMBER, {**names, **parts, **between}))
    return done


def _distinct(rows: Sequence[Row]) -> list[str]:
    return sorted({row[0] for row in rows})


def _name(erasure: Erasure) -> dict[str, Any]:
    return {"old": erasure.user.user, "new": erasure.pseudonym}


def _parameters(erasure: Erasure) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Parameters of the statements: whose name is looked for; the UUIDs, old and new; the members of JSON."""
    user = erasure.user
    old_id, new_id = user.user_id, user_id(user.tenant, erasure.pseudonym)
    nested = {"old_name": _member("actor", user.user), "new_name": _member("actor", erasure.pseudonym)}
    nested |= {"old_id": f'_by":"{old_id}"', "new_id": f'_by":"{new_id}"'}
    nested |= {"like_name": _pattern(nested["old_name"]), "like_id": _pattern(nested["old_id"])}
    return {"tenant": user.tenant, "user": user.user}, {"old": str(old_id), "new": str(new_id)}, nested


def _member(name: str, value: str) -> str:
    """A member of a JSON object as the codec of payloads writes it. No text of anybody's can look like it: there its
    quotation marks would be escaped."""
    return orjson.dumps({name: value}).decode()[1:-1]


def _pattern(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"
