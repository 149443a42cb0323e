"""Generates the source of the functions that set messages from JSON trees.

`name(m, o, depth)` sets `m` from the JSON value `o` and gives the number of object keys at and below it (by which a
repeated key is noticed). It looks its fields up in `o` one after the other; only when keys are left over, `left_over`
looks at those (the other spelling of a name, unknown names). `k` and `i` say where in `o` it is, for the path of an
error.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.core.codec import elements
from gateway.core.codec.elements import Element, map_key_reader
from gateway.core.codec.fields import Field
from gateway.core.codec.retry import each_element, each_value, unique_keys
from gateway.core.codec.scope import Scope

ElementOf = Callable[[FieldDescriptor], Element]
ReaderName = Callable[[Descriptor], str]

# When a whole list may be handed to upb as it is, by what a single value must satisfy for that.
_LIST_GUARDS = {
    elements.INT: "ALL_INT.issuperset(map(type, v))",
    elements.DOUBLE: "ALL_FLOAT.issuperset(map(type, v))",
    elements.FLOAT: (
        "ALL_FLOAT.issuperset(map(type, v)) and -FLOAT32_LIMIT < min(v, default=0) <= max(v, default=0) < FLOAT32_LIMIT"
    ),
    elements.BOOL: "ALL_BOOL.issuperset(map(type, v))",
}

# A message is present as soon as it was given, even if nothing in it sets anything; most assignments see to that.
_EMPTY = "if not v: set_in_parent(m)"


class Reader:
    """Makes source lines; `element_of` describes scalars, `reader_name` names the reader of a message type."""

    def __init__(self, scope: Scope, element_of: ElementOf, reader_name: ReaderName) -> None:
        self._scope = scope
        self._element_of = element_of
        self._reader_name = reader_name

    def message(self, name: str, fields: list[Field], left_over: str, retry: str) -> list[str]:
        """Give the function that reads a message with these fields.

        `left_over` names the function called for the keys that no field's own name took, `retry` the readers by key
        that find out which part of a value upb refused.
        """
        body = [line for field in fields for line in self._field(field, retry)]
        return [
            f"def {name}(m, o, depth):",
            " if type(o) is not dict: raise not_an_object(o)",
            " if depth > MAX_DEPTH: raise too_deep()",
            " c = n = len(o)",
            " if not n: set_in_parent(m)",
            " get = o.get",
            " k = i = v = None",
            " try:",
            *("  " + line for line in body),
            "  if n:",
            "   k = None",
            f"   c += {left_over}(m, o, depth, {name})",
            " except JsonError as error: raise error.under(k, i)",
            f" except (TypeError, ValueError) as error: raise refused({retry}, k, v, error) from None",
            " return c",
        ]

    def value(self, name: str, field: FieldDescriptor) -> list[str]:
        """Give the function that reads a wrapper message from its only field's value."""
        element = self._element_of(field)
        return [f"def {name}(m, v, depth):", f" m.value = {element.reader}(v)", " return 0"]

    def retries(self, fields: list[Field]) -> dict[str, Callable[[Any], Any]]:
        """Give, by key, readers of whole field values for all fields that hold scalars."""
        readers: dict[str, Callable[[Any], Any]] = {}
        for field in fields:
            if field.is_map:
                value = field.map_value
                if value.message_type is None:
                    readers[field.key] = each_value(self._element_of(value).read)
            elif not field.is_message:
                read = self._element_of(field.descriptor).read
                readers[field.key] = each_element(read) if field.is_repeated else read
        return readers

    def _field(self, field: Field, retry: str) -> list[str]:
        lines = [f"k = {field.key!r}", *self._one_of(field)]
        if field.is_map:
            lines += self._map(field)
        elif field.is_repeated:
            lines += self._messages(field) if field.is_message else self._list(field, retry)
        elif field.is_message:
            reader = self._reader_name(field.message)
            lines.append(f"c += {reader}({field.attribute}, v, depth + 1)")
        else:
            lines += self._scalar(field)
        if field.takes_null:
            look = [f"if {field.key!r} in o:", f" v = o[{field.key!r}]"]
        else:
            # A member that is null is left over, as if its name were not known.
            look = [f"v = get({field.key!r})", "if v is not None:"]
        return [*look, " n -= 1", *(" " + line for line in lines)]

    def _one_of(self, field: Field) -> list[str]:
        if field.oneof is None:
            return []
        return [
            f"w = which(m, {field.oneof!r})",
            f"if w is not None and w != {field.name!r}: raise second_member(w)",
        ]

    def _scalar(self, field: Field) -> list[str]:
        element = self._element_of(field.descriptor)
        if element.may_skip:
            return [f"x = {element.take('v')}", f"if x is not None: {field.assign('x')}", "else: set_in_parent(m)"]
        return [field.assign(element.take("v"))]

    def _list(self, field: Field, retry: str) -> list[str]:
        element = self._element_of(field.descriptor)
        extend = f"{field.attribute}.extend"
        if field.descriptor.type == FieldDescriptor.TYPE_STRING:
            # upb refuses all that JSON can hold but strings, so the types need no look.
            return ["if type(v) is not list: raise not_an_array(v)", f"{extend}(v)", _EMPTY]
        slow = f"{retry}[k](v)"
        fast = _LIST_GUARDS.get(element.guard or "")
        taken = f"v if type(v) is list and {fast} else {slow}" if fast else slow
        return [f"{extend}({taken})", "set_in_parent(m)" if element.may_skip else _EMPTY]

    def _messages(self, field: Field) -> list[str]:
        reader = self._reader_name(field.message)
        return [
            "if type(v) is not list: raise not_an_array(v)",
            f"add = {field.attribute}.add",
            "for i, x in enumerate(v):",
            f" c += {reader}(add(), x, depth + 2)",
            "i = None",
            _EMPTY,
        ]

    def _map(self, field: Field) -> list[str]:
        value = field.map_value
        lines = ["if type(v) is not dict: raise not_an_object(v)", _EMPTY, "c += len(v)", f"s = {field.attribute}"]
        key = "i"
        read_key = map_key_reader(field.map_key)
        if read_key is not None:
            keys = self._scope.define(self._scope.name("keys", field.message), unique_keys(read_key))
            lines.append(f"y = {keys}(v)")
            key = "y[i]"
        return [*lines, "for i, x in v.items():", *self._entry(value, key), "i = None"]

    def _entry(self, value: FieldDescriptor, key: str) -> list[str]:
        if value.message_type is not None:
            return [f" c += {self._reader_name(value.message_type)}(s[{key}], x, depth + 2)"]
        element = self._element_of(value)
        if element.may_skip:
            return [f" x = {element.take('x')}", f" if x is not None: s[{key}] = x", " else: set_in_parent(m)"]
        if element.guard == elements.INT:
            # upb's own range check names no key, so a number goes through its reader.
            return [f" s[{key}] = {element.reader}(x)"]
        return [f" s[{key}] = {element.take('x')}"]
