"""Statements: built once from the tables, compiled once per dialect, executed on the raw driver with bound parameters.

What an owner's transaction executes is an `Owned` statement. Those are made by `owned` and `owned_insert` only, which
is the one place where tenant and owner enter a query.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import BindParameter, Column, Delete, Insert, Select, Table, Update, bindparam, insert, select
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


def owned(statement: _Filtered, table: Table) -> Owned:
    """The statement, narrowed to the owner's rows of `table`."""
    return Owned(statement.where(table.c[TENANT] == bindparam(TENANT), table.c[OWNER] == bindparam(OWNER)))


def owned_insert(table: Table) -> Owned:
    """Insert a row of the owner, with one parameter per column. Only for rows whose conversation the transaction has
    just changed, and so knows to be the owner's."""
    return Owned(insert(table))


def owned_insert_beside(table: Table, parent: Table, parent_id: str, **computed: Any) -> Owned:
    """Insert a row of the owner if the parameter `parent_id` names one of the owner's rows in `parent`; returns the
    row's first primary key column. `computed` gives columns that are expressions; the others are parameters."""
    values = {column.name: computed.get(column.name, parameter(column)) for column in table.c}
    source = select(*values.values()).where(
        parent.c.id == parameter(table.c[parent_id]),
        parent.c[TENANT] == bindparam(TENANT),
        parent.c[OWNER] == bindparam(OWNER),
    )
    return Owned(insert(table).from_select(list(values), source).returning(*table.primary_key.columns))


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
