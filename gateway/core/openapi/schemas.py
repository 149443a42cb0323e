"""The schemas of messages and enums, each kept once under a name and referred to from wherever it is used."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.core.http_body import is_http_body
from gateway.core.openapi.comments import Comments
from gateway.core.openapi.constraints import NONE, Constraint, constraint_of
from gateway.core.openapi.enums import enum_schema, is_null
from gateway.core.openapi.members import (
    at_most_one,
    enum_of,
    is_always_there,
    is_map,
    is_message,
    may_be_null,
    message_of,
)
from gateway.core.openapi.names import Key, component_names, keep
from gateway.core.openapi.scalars import is_text_integer, key_schema, scalar_schema
from gateway.core.openapi.well_known import is_wrapper, well_known_form
from gateway.core.openapi.wire import REF, Direction, FieldPath, Schema, Wire, nullable


@dataclass(slots=True)
class SchemaBook:
    """Collects the schemas that a document refers to.

    A reference is made before its name is known: the name depends on the forms in which the message comes to be used.
    Until `resolved` is called on the whole document, `$ref` holds a `Key`.
    """

    comments: Comments
    _schemas: dict[Key, Schema] = field(default_factory=dict)
    _waiting: list[tuple[Key, Descriptor]] = field(default_factory=list)
    _named: dict[str, Schema] = field(default_factory=dict)

    def message(self, message: Descriptor, wire: Wire) -> Schema:
        """Give the schema of a message: its own form, or a reference to its object schema."""
        form = well_known_form(message)
        if form is not None:
            return form
        if is_http_body(message):
            return {}  # only a whole body can be one, and that has no schema
        if is_wrapper(message):
            return scalar_schema(message.fields[0].type, wire)
        key = Key(message.full_name, wire)
        if key not in self._schemas:
            self._schemas[key] = {}
            self._waiting.append((key, message))
        return {"$ref": key}

    def message_without(self, message: Descriptor, wire: Wire, bound: Collection[FieldPath]) -> Schema:
        """Give the object schema of a message without the fields at the given paths, which stand in the URL instead."""
        return self._object(message, wire, bound) if bound else self.message(message, wire)

    def field(self, described: FieldDescriptor, wire: Wire, bound: Collection[FieldPath] = ()) -> Schema:
        """Give the schema of a field's value with the field's comment; `bound` are paths below the field."""
        constraint = constraint_of(described) if wire.is_input else NONE
        if is_map(described):
            schema = self._map(message_of(described), wire, constraint)
        elif described.is_repeated:
            items = self._single(described, wire, constraint.items or NONE)
            schema = {"type": "array", "items": items, **constraint.keywords}
        elif bound:
            schema = self.message_without(message_of(described), wire, bound)
        else:
            schema = self._single(described, wire, constraint)
        return _annotated(schema, described, self.comments.of(described), constraint.notes)

    def named(self, name: str, schema: Schema) -> Schema:
        """Keep a schema that stands for no message under a name, and give a reference to it.

        Equal schemas share a name; another one of that name is numbered.
        """
        return {"$ref": REF + keep(self._named, name, schema)}

    def resolved(self, document: dict[str, Any]) -> dict[str, Any]:
        """Give the document with its schemas added under `components`, sorted, and every reference spelt out."""
        while self._waiting:
            key, message = self._waiting.pop()
            self._schemas[key].update(self._object(message, key.wire, ()))
        names = component_names(self._schemas)
        schemas = {names[key]: schema for key, schema in self._schemas.items()} | self._named
        components = {**document.get("components", {}), "schemas": dict(sorted(schemas.items()))}
        spelt: dict[str, Any] = _spelt({**document, "components": components}, names)
        return spelt

    def _map(self, entry: Descriptor, wire: Wire, constraint: Constraint) -> Schema:
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        names = {**(key_schema(key.type) or {}), **(constraint.keys or NONE).keywords}
        values = self._single(value, wire, constraint.values or NONE)
        named = {"propertyNames": names} if names else {}
        return {"type": "object", "additionalProperties": values, **named, **constraint.keywords}

    def _single(self, described: FieldDescriptor, wire: Wire, constraint: Constraint) -> Schema:
        if is_message(described):
            message = message_of(described)
            schema = self.message(message, wire)
            return {**schema, **constraint.keywords} if is_wrapper(message) else schema
        if described.type == FieldDescriptor.TYPE_ENUM:
            return self._enum(enum_of(described), wire, constraint)
        plain = scalar_schema(described.type, wire)
        if is_text_integer(described.type, wire):
            return _non_negative(plain) if constraint.is_non_negative else plain
        return {**_without_bounds(plain, constraint.keywords), **constraint.keywords}

    def _enum(self, enum: EnumDescriptor, wire: Wire, constraint: Constraint) -> Schema:
        if is_null(enum) or (wire.is_input and constraint.narrows_enum):
            return enum_schema(enum, self.comments, is_input=True, constraint=constraint)
        sent = enum_schema(enum, self.comments, is_input=False)
        schema = enum_schema(enum, self.comments, is_input=True) if wire.is_input else sent
        key = Key.of_enum(enum.full_name, Direction.OUTPUT if schema == sent else wire.direction)
        self._schemas.setdefault(key, schema)
        return {"$ref": key}

    def _object(self, message: Descriptor, wire: Wire, bound: Collection[FieldPath]) -> Schema:
        properties: dict[str, Schema] = {}
        required: list[str] = []
        elsewhere = frozenset(path[0] for path in bound if len(path) == 1)
        for each in message.fields:
            if each.name in elsewhere:
                continue
            name = wire.name(each)
            below = [path[1:] for path in bound if path[0] == each.name]
            schema = self.field(each, wire, below)
            properties[name] = nullable(schema) if may_be_null(each, wire) else schema
            if is_always_there(each, wire) and not below:
                required.append(name)
        comment = self.comments.of(message)
        return {
            "type": "object",
            **({"description": comment} if comment else {}),
            "properties": properties,
            **({"required": required} if required else {}),
            **({"additionalProperties": False} if wire.closed else {}),
            **at_most_one(message, wire, elsewhere),
        }


def _without_bounds(schema: Schema, keywords: Schema) -> Schema:
    """Leave out the bounds of a type where narrower exclusive ones are declared."""
    replaced = {name for name in ("minimum", "maximum") if f"exclusive{name.capitalize()}" in keywords}
    return {key: value for key, value in schema.items() if key not in replaced}


def _non_negative(schema: Schema) -> Schema:
    return {**schema, "pattern": schema["pattern"].replace("-?", "")}


def _annotated(schema: Schema, described: FieldDescriptor, comment: str, notes: tuple[str, ...]) -> Schema:
    """Add what is said about the field; the words of an inline enum are said after it, other texts give way to it."""
    parts = [comment, *notes]
    own = schema.get("description", "")
    if own and ("enum" in schema or not comment):
        parts.append(own)
    text = "\n\n".join(part for part in parts if part)
    marks: Schema = {"deprecated": True} if described.GetOptions().deprecated else {}
    return {**schema, **({"description": text} if text else {}), **marks}


def _spelt(tree: Any, names: dict[Key, str]) -> Any:
    if isinstance(tree, Key):
        return REF + names[tree]
    if isinstance(tree, dict):
        return {name: _spelt(member, names) for name, member in tree.items()}
    if isinstance(tree, list):
        return [_spelt(item, names) for item in tree]
    return tree
