"""What the tables are made of: column types, the columns that every row has, references, partial indices."""

from typing import Final

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, MetaData, Text, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel

# PostgreSQL would sort by the collation of its database; ids and names sort by code point on both.
STRING: Final[TypeEngine[str]] = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
WHOLE: Final = BigInteger


class Bytes(LargeBinary):
    """Bytes as both drivers take and give them; SQLAlchemy would convert what needs no conversion."""

    def bind_processor(self, dialect: Dialect) -> None:
        """Nothing to do."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Nothing to do."""


# Columns that came with a later revision and are never null: what they hold in the rows of before.
EMPTY: Final = {"server_default": ""}
ZERO: Final = {"server_default": "0"}

METADATA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


class Row(SQLModel):
    """A row of any table."""

    metadata = METADATA


class OwnedRow(Row):
    """A row of one owner's."""

    tenant: str = Field(sa_type=STRING)
    owner: str = Field(sa_type=STRING)


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows for which a predicate of `predicates` holds."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def of(table: str) -> ForeignKey:
    """A reference to a row of that table, with which this one goes."""
    return ForeignKey(f"{table}.id", ondelete="CASCADE")
