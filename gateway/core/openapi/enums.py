"""Schemas of enums: their words in the dialect's protos, as replies have them and as requests should."""

from google.protobuf.descriptor import EnumDescriptor

from gateway.core.codec.enums import NULL_VALUE
from gateway.core.openapi.comments import Comments
from gateway.core.openapi.constraints import NONE, Constraint
from gateway.core.openapi.wire import Schema
from gateway.core.options import option

_WORD = "parley.options.v1.word"


def is_null(enum: EnumDescriptor) -> bool:
    """Say whether the enum is the one whose JSON is null."""
    return enum.full_name == NULL_VALUE


def enum_schema(enum: EnumDescriptor, comments: Comments, *, is_input: bool, constraint: Constraint = NONE) -> Schema:
    """Give the schema of an enum's value: a string of its words, with each word's comment in the description.

    A value whose declared word is "" stands for none at all: a request leaves the field out instead. The proto names
    and the numbers, which are accepted too, are not listed.
    """
    if is_null(enum):
        return {"type": "null"}
    shown = {
        word: number
        for number, word in _words(enum).items()
        if not (is_input and (_stands_for_none(enum, number) or _is_refused(number, constraint)))
    }
    lines = [comments.of(enum)] if constraint is NONE else []
    lines += _value_lines(enum, shown, comments)
    return {"type": "string", "enum": list(shown), **_described("\n".join(lines).strip())}


def _words(enum: EnumDescriptor) -> dict[int, str]:
    """Give what replies have for each number: its word, else its proto name; of aliases, the first declared."""
    words: dict[int, str] = {}
    for value in enum.values:
        words.setdefault(value.number, option(value, _WORD) or value.name)
    return words


def _value_lines(enum: EnumDescriptor, shown: dict[str, int], comments: Comments) -> list[str]:
    texts = {word: comments.of_value(enum, enum.values_by_number[number]) for word, number in shown.items()}
    return (
        ["", *(f"- `{word}`: {text}" for word, text in texts.items() if text and word)] if any(texts.values()) else []
    )


def _stands_for_none(enum: EnumDescriptor, number: int) -> bool:
    return bool(option(enum.values_by_number[number], _WORD) == "")


def _is_refused(number: int, constraint: Constraint) -> bool:
    return number in constraint.excluded or (constraint.numbers is not None and number not in constraint.numbers)


def _described(text: str) -> Schema:
    return {"description": text} if text else {}
