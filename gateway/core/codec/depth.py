"""How deep a document may be: 64 levels of objects and arrays, 24 in free-form values, and what their bytes allow.

Protobuf refuses bytes of more than 100 nested messages, so a document that would become such bytes must be refused,
too: a level of a `Struct` is three messages on the wire (the struct, the map entry, the value).
"""

from gateway.core.codec.errors import JsonError

MAX_DEPTH = 64
_MAX_FREE_FORM = 24
_MAX_WIRE = 100
_WIRE_PER_LEVEL = 3


def free_form_levels(depth: int) -> int:
    """Give how many levels a free-form value may have that stands at `depth` (1 is the document itself)."""
    return min(_MAX_FREE_FORM, (_MAX_WIRE - depth) // _WIRE_PER_LEVEL)


def too_deep() -> JsonError:
    """Give the error for a document that is nested more deeply than is allowed."""
    return JsonError(f"is nested too deeply (at most {MAX_DEPTH} levels, {_MAX_FREE_FORM} in free-form values)")


def count_keys(value: object, depth: int) -> int:
    """Count the keys of all objects in a part of the document that no field takes; JsonError when it is too deep."""
    if type(value) is dict:
        members: list[object] = list(value.values())
        keys = len(value)
    elif type(value) is list:
        members, keys = value, 0
    else:
        return 0
    if depth > MAX_DEPTH:
        raise too_deep()
    return keys + sum(count_keys(member, depth + 1) for member in members)
