"""A search among an owner's conversations: which ones, in which order, which part of the list.

Every scalar of a conversation can be compared, under the name that the archive API gives it. What a field shows is what
it is compared as: times are whole milliseconds since 1970 (0: never), ids are UUIDs in lower case, and a field without
a value equals null alone: it is unequal to every value, neither below nor above one, and no pattern finds anything in
it.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum, auto
from typing import Final

from server.domain.pattern import Pattern

Operand = str | int | Pattern | None
"""A text, milliseconds, a pattern, or null."""


class Operator(StrEnum):
    """How a field is compared with a value."""

    EQUAL = "=="
    NOT_EQUAL = "!="
    BELOW = "<"
    ABOVE = ">"
    AT_MOST = "<="
    AT_LEAST = ">="
    REGEX = "regex"


class Kind(Enum):
    """What the values of a field are."""

    TEXT = auto()
    ID = auto()
    TIME = auto()


class Field(StrEnum):
    """What can be compared and sorted by."""

    ID = "id"
    NAME = "name"
    MODEL = "model"
    IMAGE_MODEL = "img_gen_model"
    SUMMARY = "summary"
    ORGANIZATION_ID = "organization_id"
    ASSISTANT_ID = "assistant_id"
    CREATED_BY = "created.user_id"
    CREATED_AT = "created.timestamp"
    UPDATED_BY = "updated.user_id"
    UPDATED_AT = "updated.timestamp"
    ACCESSED_BY = "accessed.user_id"
    ACCESSED_AT = "accessed.timestamp"

    @property
    def kind(self) -> Kind:
        """What its values are."""
        if self in _TEXTS:
            return Kind.TEXT
        return Kind.TIME if self in _TIMES else Kind.ID

    @property
    def is_nullable(self) -> bool:
        """Whether a conversation may have no value of it."""
        return self.kind is Kind.ID and self is not Field.ID


_TEXTS: Final = frozenset({Field.NAME, Field.MODEL, Field.IMAGE_MODEL, Field.SUMMARY})
_TIMES: Final = frozenset({Field.CREATED_AT, Field.UPDATED_AT, Field.ACCESSED_AT})


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition. The operand fits the field and the operator: a `Pattern` for REGEX and nothing else, `None` only
    for equality of a nullable field."""

    field: Field
    operator: Operator
    operand: Operand


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work patterns may make before a search is given up."""

    texts: int = 100_000
    """Texts that are looked through."""
    time: timedelta = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Search:
    """All filters hold; sorted by a field, then by id, both in the same direction; of the sorted list the conversations
    from `start` (counted from 0) up to but not including `end`, `None` being its end.

    Sorted by age, the oldest first, the list only ever grows at its end.
    """

    filters: tuple[Filter, ...] = ()
    sort: Field = Field.CREATED_AT
    descending: bool = False
    start: int = 0
    end: int | None = None
    effort: Effort = Effort()
