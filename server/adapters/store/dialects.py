"""The SQL dialects statements are compiled for, with the parameter style of the driver that executes them."""

from typing import Final

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import Dialect

SQLITE: Final[Dialect] = SQLiteDialect(paramstyle="qmark")
POSTGRES: Final[Dialect] = PGDialect_asyncpg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
