"""Statements: built once from the tables, compiled once per dialect, executed on the raw driver with bound parameters.

What an owner's transaction executes is an `Owned` statement. Those are made by `owned` and `owned_insert` only, which
is the one place where tenant and owner enter a query. The exceptions are a `Foreign` one, which shows nothing of a row,
and an `OfTenant` one.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Delete,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    insert,
    literal_column,
    select,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

Parameters = Mapping[str, Any]
"""Values by name, as the driver takes them."""

_Filtered = TypeVar("_Filtered", Select[Any], Update, Delete)

TENANT: Final = "tenant"
OWNER: Final = "owner"


class Compiled(NamedTuple):
    """SQL for one driver, and how to put its parameters in order."""

    sql: str
    arguments: Callable[[Parameters], tuple[Any, ...]]


class Statement:
    """A statement without an owner: only the service's own transaction executes it."""

    __slots__ = ("_compiled", "core")

    def __init__(self, core: Select[Any] | Insert | Update | Delete) -> None:
        self.core = core
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, dialect: Dialect) -> Compiled:
        """The statement in that dialect. Safe from any thread: at worst it is compiled twice."""
        known = self._compiled.get(dialect.name)
        if known is None:
            known = self._compiled[dialect.name] = _compile(self.core, dialect)
        return known


class Owned(Statement):
    """A statement that touches rows of one owner only; takes the parameters `tenant` and `owner`."""

    __slots__ = ()


class OfTenant(Owned):
    """A statement that reads rows of the owner's whole tenant, which only a scope permits; takes the same."""

    __slots__ = ()


class Foreign(Statement):
    """A statement that only tells whether another user of the tenant has a row; takes `tenant`, `owner` and `id`."""

    __slots__ = ()


def foreign(table: Table) -> Foreign:
    """The row of that `id` when it is of the owner's tenant and not the owner's: no column of it."""
    others: Select[Any] = select(literal_column("1")).where(table.c.id == parameter(table.c.id))
    return Foreign(others.where(table.c[TENANT] == bindparam(TENANT), table.c[OWNER] != bindparam(OWNER)))


def owned(statement: _Filtered, table: Table) -> Owned:
    """The statement, narrowed to the owner's rows of `table`."""
    return Owned(statement.where(table.c[TENANT] == bindparam(TENANT), table.c[OWNER] == bindparam(OWNER)))


def owned_insert(table: Table, **computed: ColumnElement[Any]) -> Owned:
    """Insert a row of the owner, with one parameter per column that is not `computed` by the database. Only for rows
    that refer to nothing, or to what the transaction knows to be the owner's: see `Scope.known`."""
    if not computed:
        return Owned(insert(table))
    given = {column.name: parameter(column) for column in table.columns}
    return Owned(insert(table).values({**given, **computed}))


def owned_copy(table: Table, columns: list[str], rows: Select[Any], source: Table) -> Owned:
    """Insert the owner's rows of another table."""
    own = rows.where(source.c[TENANT] == bindparam(TENANT), source.c[OWNER] == bindparam(OWNER))
    return Owned(insert(table).from_select(columns, own))


def found(table: Table) -> Owned:
    """The owner's row of that `id`: one column, for what matters is whether there is one."""
    return owned(select(table.c.id).where(table.c.id == parameter(table.c.id)), table)


def parameter(column: Column[Any], name: str | None = None) -> BindParameter[Any]:
    """A parameter with a column's type, by default with its name too."""
    return bindparam(name or column.name, type_=column.type)


def _compile(core: Select[Any] | Insert | Update | Delete, dialect: Dialect) -> Compiled:
    compiled = core.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)  # noqa: S101 - DML and queries compile to nothing else
    names = list(compiled.positiontup or ())
    constants = {name: bind.value for bind, name in compiled.bind_names.items() if not bind.required}
    take = _arguments(names)
    if not constants:
        return Compiled(compiled.string, take)
    return Compiled(compiled.string, lambda parameters: take({**constants, **parameters}))


def _arguments(names: list[str]) -> Callable[[Parameters], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda parameters: tuple(parameters[name] for name in names)
