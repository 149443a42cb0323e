"""What of a dialect shapes the JSON of a message in one direction: the key under which its schema is kept."""

import enum
from dataclasses import dataclass
from typing import Any, Self

from google.protobuf.descriptor import FieldDescriptor

from gateway.core.dialect import Dialect, FieldNames, Int64Form, UnsetForm, unset_form_of

Schema = dict[str, Any]
"""A JSON Schema (draft 2020-12, the dialect of OpenAPI 3.1) as a tree that can be written as JSON."""

FieldPath = tuple[str, ...]
"""The way to a field by proto names, as in `("thread", "id")`."""

_REMARKS = frozenset({"description", "deprecated"})
REF = "#/components/schemas/"


class Direction(enum.Enum):
    """Whether a schema describes what a client sends or what it receives."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Wire:
    """The form of JSON in one direction; two dialects that differ in nothing of it share their schemas.

    `closed` says that a client may not send fields that the message has not. `unset` is the form of replies only: a
    client may always leave out what has no value.
    """

    direction: Direction
    field_names: FieldNames
    int64_form: Int64Form
    unset: UnsetForm
    closed: bool

    @classmethod
    def received(cls, dialect: Dialect) -> Self:
        """Give the form of what clients send in a dialect."""
        closed = not dialect.ignore_unknown_fields
        return cls(Direction.INPUT, dialect.field_names, dialect.int64_form, UnsetForm.OMITTED, closed)

    @classmethod
    def sent(cls, dialect: Dialect) -> Self:
        """Give the form of what clients receive in a dialect."""
        return cls(Direction.OUTPUT, dialect.field_names, dialect.int64_form, dialect.unset_form, closed=False)

    @property
    def is_input(self) -> bool:
        """Say whether a client sends it."""
        return self.direction is Direction.INPUT

    def name(self, field: FieldDescriptor) -> str:
        """Give the name of a field's member in this form."""
        return str(field.name if self.field_names is FieldNames.SNAKE else field.json_name)

    def unset_form(self, field: FieldDescriptor) -> UnsetForm:
        """Give what stands for a field without a value: its own declaration, else the dialect's."""
        return unset_form_of(field) or self.unset

    @property
    def traits(self) -> tuple[str, ...]:
        """Give the words by which two forms of one message can be told apart in the names of their schemas."""
        return (
            self.field_names.name.lower(),
            f"int64-{self.int64_form.name.lower()}",
            f"unset-{self.unset.name.lower()}",
            "closed" if self.closed else "open",
        )


def nullable(schema: Schema) -> Schema:
    """Give the schema that allows null beside what `schema` allows; its description stays outermost."""
    if schema.get("type") == "null" or schema.keys() <= _REMARKS:
        return schema
    if isinstance(schema.get("type"), str) and "const" not in schema:
        widened = {**schema, "type": [schema["type"], "null"]}
        return {**widened, "enum": [*schema["enum"], None]} if "enum" in schema else widened
    outer: Schema = {key: value for key, value in schema.items() if key in _REMARKS}
    inner = {key: value for key, value in schema.items() if key not in outer}
    return {"anyOf": [inner, {"type": "null"}], **outer}
