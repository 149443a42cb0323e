"""The constraints that `buf.validate` declares on fields, as keywords of JSON Schema.

The rules are read by the extension's name from whatever pool the field is of; nothing is needed but that their messages
have the published field names. What JSON Schema cannot say (times relative to now, ranges of integers in strings) is
left out or said in words: a schema may allow more than the service does, never less. Of CEL only `this in [1, 2]` is
read, on enums; of other expressions the message is shown.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from gateway.core.openapi.wire import Schema
from gateway.core.options import option

_RULES = "buf.validate.field"
_ALWAYS_IGNORED = "IGNORE_ALWAYS"
_IF_ZERO_IGNORED = "IGNORE_IF_ZERO_VALUE"
_FORMATS = {
    "uuid": "uuid",
    "email": "email",
    "hostname": "hostname",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "uri": "uri",
    "uri_ref": "uri-reference",
}
# What ECMAScript, Python and RE2 read alike; a pattern with other groups is left to the service.
_PORTABLE = re.compile(r"(?!.*(?:\(\?[^:]|\\[pPzAQECa])).*", re.DOTALL)


_LISTED = re.compile(r"this in \[\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\]")


@dataclass(frozen=True, slots=True)
class Constraint:
    """What the rules of one value say.

    `keywords` are for its schema, `notes` for people; `refuses_zero` says that its zero value is refused. `numbers` are
    the values that an enum may have, None for all but the `excluded`. `items`, `keys` and `values` are those of a list
    and a map.
    """

    keywords: Schema = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refuses_zero: bool = False
    numbers: frozenset[int] | None = None
    excluded: frozenset[int] = frozenset()
    items: "Constraint | None" = None
    keys: "Constraint | None" = None
    values: "Constraint | None" = None

    @property
    def narrows_enum(self) -> bool:
        """Say whether some values of an enum are refused."""
        return self.numbers is not None or bool(self.excluded)

    @property
    def is_non_negative(self) -> bool:
        """Say whether a number must not have a minus sign."""
        return any(self.keywords.get(bound, -1) >= 0 for bound in ("minimum", "exclusiveMinimum"))


NONE = Constraint()


def constraint_of(described: FieldDescriptor) -> Constraint:
    """Give the constraint on a field's value; `refuses_zero` says whether a request must contain the field."""
    rules = option(described, _RULES)
    return NONE if rules is None else _constraint(rules, has_presence=described.has_presence, shape=_shape(described))


def _constraint(rules: Any, *, has_presence: bool = False, shape: str = "") -> Constraint:
    kind = rules.WhichOneof("type")
    ignore = _enum_name(rules, "ignore")
    if ignore == _ALWAYS_IGNORED:
        return NONE
    typed = _with_expressions(_typed(kind, getattr(rules, kind)) if kind else NONE, getattr(rules, "cel", ()))
    required = bool(getattr(rules, "required", False))
    if required and not has_presence:
        typed = _non_zero(shape, typed)
    may_be_left_out = has_presence or ignore == _IF_ZERO_IGNORED
    return replace(typed, refuses_zero=required or (typed.refuses_zero and not may_be_left_out))


def _with_expressions(typed: Constraint, expressions: Iterable[Any]) -> Constraint:
    for each in expressions:
        listed = _LISTED.fullmatch(each.expression.strip())
        if listed and typed.numbers is None:
            numbers = frozenset(map(int, listed[1].split(",")))
            typed = replace(typed, numbers=numbers, refuses_zero=typed.refuses_zero or 0 not in numbers)
        text = each.message.strip()
        if text:
            typed = replace(typed, notes=(*typed.notes, text[0].upper() + text[1:].removesuffix(".") + "."))
    return typed


def _typed(kind: str, rules: Any) -> Constraint:
    read = _READERS.get(kind)
    if read is not None:
        return read(rules)
    return NONE if kind in _UNSAID else _number(rules)


def _bytes(rules: Any) -> Constraint:
    return Constraint(refuses_zero=bool(_given(rules, "min_len") or _given(rules, "len")))


def _bool(rules: Any) -> Constraint:
    wanted = _given(rules, "const")
    return NONE if wanted is None else Constraint({"const": wanted}, refuses_zero=wanted)


def _string(rules: Any) -> Constraint:
    exact, most_bytes = _given(rules, "len"), _given(rules, "max_bytes")
    keywords: Schema = {
        "minLength": exact if exact is not None else _given(rules, "min_len"),
        "maxLength": exact if exact is not None else _given(rules, "max_len"),
        "const": _given(rules, "const"),
        "enum": list(getattr(rules, "in", ())) or None,
        "format": next((name for rule, name in _FORMATS.items() if _given(rules, rule)), None),
        "pattern": _pattern(rules),
    }
    notes: tuple[str, ...] = ()
    if most_bytes is not None:
        notes = (f"At most {most_bytes} bytes in UTF-8.",)
        keywords["maxLength"] = min(keywords["maxLength"] or most_bytes, most_bytes)
    keywords = _present(keywords)
    return Constraint(keywords, notes, refuses_zero=not _allows_empty(keywords))


def _allows_empty(keywords: Schema) -> bool:
    return (
        not keywords.get("minLength")
        and "format" not in keywords
        and not keywords.get("const")
        and "" in keywords.get("enum", ("",))
        and re.search(keywords.get("pattern", ""), "") is not None
    )


def _pattern(rules: Any) -> str | None:
    declared = _given(rules, "pattern")
    if declared is None:
        prefix, suffix = _given(rules, "prefix"), _given(rules, "suffix")
        if prefix is None and suffix is None:
            return None
        declared = f"^{re.escape(prefix or '')}[\\s\\S]*{re.escape(suffix or '')}$"
    if not _PORTABLE.fullmatch(declared):
        return None
    try:
        re.compile(declared)
    except re.error:
        return None
    return str(declared)


def _number(rules: Any) -> Constraint:
    keywords: Schema = _present(
        {
            "const": _given(rules, "const"),
            "minimum": _given(rules, "gte"),
            "exclusiveMinimum": _given(rules, "gt"),
            "maximum": _given(rules, "lte"),
            "exclusiveMaximum": _given(rules, "lt"),
            "enum": list(getattr(rules, "in", ())) or None,
        }
    )
    low = keywords.get("minimum", keywords.get("exclusiveMinimum"))
    high = keywords.get("maximum", keywords.get("exclusiveMaximum"))
    if low is not None and high is not None and high < low:
        # buf.validate reads such a pair as "outside": no single range of JSON Schema is that.
        return Constraint({key: value for key, value in keywords.items() if "imum" not in key})
    return Constraint(keywords, refuses_zero=not _allows_number_zero(keywords))


def _allows_number_zero(keywords: Schema) -> bool:
    return (
        not keywords.get("const")
        and keywords.get("minimum", 0) <= 0 <= keywords.get("maximum", 0)
        and keywords.get("exclusiveMinimum", -1) < 0 < keywords.get("exclusiveMaximum", 1)
        and 0 in keywords.get("enum", (0,))
    )


def _enum(rules: Any) -> Constraint:
    listed = frozenset(getattr(rules, "in", ())) or None
    only = _given(rules, "const")
    numbers = frozenset({only}) if only is not None else listed
    excluded = frozenset(getattr(rules, "not_in", ()))
    return Constraint(
        numbers=numbers, excluded=excluded, refuses_zero=0 in excluded or (numbers is not None and 0 not in numbers)
    )


def _list(rules: Any) -> Constraint:
    least, most = _given(rules, "min_items"), _given(rules, "max_items")
    unique = _given(rules, "unique") or None
    return Constraint(
        _present({"minItems": least, "maxItems": most, "uniqueItems": unique}),
        refuses_zero=bool(least),
        items=_constraint(rules.items) if rules.HasField("items") else None,
    )


def _map(rules: Any) -> Constraint:
    least, most = _given(rules, "min_pairs"), _given(rules, "max_pairs")
    return Constraint(
        _present({"minProperties": least, "maxProperties": most}),
        refuses_zero=bool(least),
        keys=_constraint(getattr(rules, "keys")) if rules.HasField("keys") else None,  # noqa: B009  (`keys` of a message)
        values=_constraint(getattr(rules, "values")) if rules.HasField("values") else None,  # noqa: B009
    )


_READERS: dict[str, Callable[[Any], Constraint]] = {
    "string": _string,
    "bytes": _bytes,
    "bool": _bool,
    "enum": _enum,
    "repeated": _list,
    "map": _map,
}
_UNSAID = frozenset({"any", "duration", "timestamp", "field_mask"})


def _shape(described: FieldDescriptor) -> str:
    if described.is_repeated:
        entry = described.message_type
        return "map" if entry is not None and entry.GetOptions().map_entry else "repeated"
    return "string" if described.type == FieldDescriptor.TYPE_STRING else ""


def _non_zero(shape: str, typed: Constraint) -> Constraint:
    """Give the constraint of a required field without presence: there, required means not its zero value."""
    least = {"string": "minLength", "repeated": "minItems", "map": "minProperties"}.get(shape)
    keywords = typed.keywords if least is None else {**typed.keywords, least: max(1, typed.keywords.get(least, 1))}
    return replace(typed, keywords=keywords, refuses_zero=True, excluded=typed.excluded | {0})


def _given(rules: Any, name: str) -> Any:
    """Give a rule's value, None when it is not declared or this version of the rules has no such rule."""
    return getattr(rules, name) if name in rules.DESCRIPTOR.fields_by_name and rules.HasField(name) else None


def _enum_name(rules: Any, name: str) -> str:
    declared = rules.DESCRIPTOR.fields_by_name.get(name)
    return "" if declared is None else str(declared.enum_type.values_by_number[getattr(rules, name)].name)


def _present(keywords: Schema) -> Schema:
    return {key: _plain(value) for key, value in keywords.items() if value is not None}


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value  # 2, not 2.0, for readers
