"""Generates the source of the functions that write messages as JSON trees.

The function of a message reads its fields one after the other: upb's attribute access costs about 40 ns, `ListFields`
three times as much for each set field. A list is copied by a slice, since upb iterates more slowly than it slices.
"""

from collections.abc import Callable

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.core.codec.elements import Element
from gateway.core.codec.fields import Field

ElementOf = Callable[[FieldDescriptor], Element]
WriterName = Callable[[Descriptor], str]

_IF_CHAIN = 4  # a oneof with more members is dispatched by a dict of functions


class Writer:
    """Makes source lines; `element_of` describes scalars, `writer_name` names the writer of a message type."""

    def __init__(self, element_of: ElementOf, writer_name: WriterName) -> None:
        self._element_of = element_of
        self._writer_name = writer_name

    def message(self, name: str, fields: list[Field]) -> list[str]:
        """Give the function `name(m)` that writes a message with these fields as a dict."""
        before: list[str] = []
        body = [f"def {name}(m):", " o = {}"]
        done: set[str] = set()
        for field in fields:
            if field.oneof is None:
                body += _indented(self.field(field))
            elif field.oneof not in done:
                done.add(field.oneof)
                members = [each for each in fields if each.oneof == field.oneof]
                functions, lines = self._oneof(f"{name}_{len(done)}", field.oneof, members)
                before += functions
                body += _indented(lines)
        return [*before, *body, " return o"]

    def value(self, name: str, field: FieldDescriptor) -> list[str]:
        """Give the function `name(m)` that writes a wrapper message as its only field's value."""
        return [f"def {name}(m):", " v = m.value", f" return {self._element_of(field).write('v')}"]

    def alone(self, name: str, field: Field) -> list[str]:
        """Give the function `name(m)` that writes one field of a message, or None when that writes nothing."""
        return [f"def {name}(m):", " o = {}", *_indented(self.field(field)), f" return o.get({field.key!r})"]

    def field(self, field: Field) -> list[str]:
        """Give the lines that put one field of `m` into `o`, or leave it out, as its form wants."""
        if field.is_map:
            return self._map(field)
        if field.is_repeated:
            return self._listed(field, "[]", self._list(field))
        if field.descriptor.has_presence:
            return self._with_presence(field)
        return self._plain(field)

    def _plain(self, field: Field) -> list[str]:
        element = self._element_of(field.descriptor)
        put = f"o[{field.key!r}] = {element.write('v')}"
        if field.writes_always:
            return [f"v = {field.attribute}", put]
        condition = "v or is_negative_zero(v)" if element.is_float else "v"
        return [f"v = {field.attribute}", f"if {condition}: {put}"]

    def _with_presence(self, field: Field) -> list[str]:
        is_set = f"has(m, {field.name!r})"
        if field.is_message or field.descriptor.default_value:
            lines = [f"if {is_set}: {self._put(field)}"]
        else:
            # A scalar that is not zero is set, and reading it costs less than asking for its presence.
            written = self._element_of(field.descriptor).write("v")
            lines = [f"v = {field.attribute}", f"if v or {is_set}: o[{field.key!r}] = {written}"]
        if field.writes_null:
            lines.append(f"else: o[{field.key!r}] = None")
        return lines

    def _put(self, field: Field) -> str:
        """Give the statement that writes a singular field that is set."""
        if field.is_message:
            written = f"{self._writer_name(field.message)}({field.attribute})"
            return f"o[{field.key!r}] = {written}"
        element = self._element_of(field.descriptor)
        return f"v = {field.attribute}; o[{field.key!r}] = {element.write('v')}"

    def _listed(self, field: Field, empty: str, written: str) -> list[str]:
        lines = [f"v = {field.attribute}", f"if v: o[{field.key!r}] = {written}"]
        return [*lines, f"else: o[{field.key!r}] = {empty}"] if field.writes_always else lines

    def _list(self, field: Field) -> str:
        if field.is_message:
            return f"[*map({self._writer_name(field.message)}, v[:])]"
        written = self._element_of(field.descriptor).write("x")
        return "v[:]" if written == "x" else f"[{written} for x in v[:]]"

    def _map(self, field: Field) -> list[str]:
        value = field.map_value
        key = self._element_of(field.map_key).map_key.format(v="i")
        if value.message_type is not None:
            put = f"d[{key}] = {self._writer_name(value.message_type)}(v[i])"
        elif (element := self._element_of(value)).write("x") == "x":
            put = f"d[{key}] = v[i]"
        else:
            put = f"x = v[i]; d[{key}] = {element.write('x')}"
        # A loop: a comprehension would be one more function call.
        filled = [f"o[{field.key!r}] = d = {{}}", f"for i in v: {put}"]
        lines = [f"v = {field.attribute}"]
        return [*lines, *filled] if field.writes_always else [*lines, "if v:", *_indented(filled)]

    def _oneof(self, prefix: str, oneof: str, members: list[Field]) -> tuple[list[str], list[str]]:
        """Give functions to define first, and the lines that write whichever member is set."""
        lines = [f"w = which(m, {oneof!r})"]
        if len(members) <= _IF_CHAIN:
            lines += ["if w is None: pass"]
            lines += [f"elif w == {member.name!r}: {self._put(member)}" for member in members]
            return [], lines
        functions: list[str] = []
        for index, member in enumerate(members):
            functions.append(f"def {prefix}_{index}(m, o): {self._put(member)}")
        table = ", ".join(f"{member.name!r}: {prefix}_{index}" for index, member in enumerate(members))
        functions.append(f"{prefix} = {{{table}}}")
        return functions, [*lines, f"if w is not None: {prefix}[w](m, o)"]


def _indented(lines: list[str]) -> list[str]:
    return [" " + line for line in lines]
