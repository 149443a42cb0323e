"""The one error of the codec: which part of a document is wrong, and what is wrong with it."""

import json
from typing import Self

_MAX_PATH = 256
_MAX_EXCERPT = 32
_MAX_NAME = 64


class JsonError(ValueError):
    """A document, or a text, that is not the JSON form of the wanted message (or a message that has no JSON form).

    `field` is the path of the offending part as the client spelt it (`userMessage.content`, `items[3].x`,
    `labels["a"]`), "" for the whole document. `description` says what is wrong and how to mend it; it holds at most a
    short escaped value, and nothing of a longer text, which may be what somebody said. Both are bounded.
    """

    def __init__(self, description: str, field: str = "") -> None:
        super().__init__(description)
        self.description = description
        self.field = field

    def __str__(self) -> str:
        return f"{self.field}: {self.description}" if self.field else self.description

    def under(self, name: str | None, item: int | str | None = None) -> Self:
        """Put the path of the enclosing part before the path: a member, and an index or a map key within that member.

        A `name` of None changes nothing: the error is about the enclosing message itself.
        """
        if name is None:
            return self
        head = spelt(name)
        if isinstance(item, int):
            head += f"[{item}]"
        elif item is not None:
            head += f"[{excerpt(item)}]"
        joint = "" if not self.field or self.field.startswith("[") else "."
        self.field = f"{head}{joint}{self.field}"[:_MAX_PATH]
        return self

    def renamed(self, canonical: str, written: str) -> Self:
        """Replace the first member of the path by the spelling that the client used."""
        if self.field.startswith(canonical):
            self.field = (spelt(written) + self.field[len(canonical) :])[:_MAX_PATH]
        return self


def spelt(name: str) -> str:
    """Give a member's name as it may stand in a path: cut, and escaped when it is not a plain identifier."""
    return name if name.isidentifier() and len(name) <= _MAX_NAME else json.dumps(name[:_MAX_NAME])[1:-1]


def kind(value: object) -> str:
    """Give what a JSON value is for the description of an error that has nothing to do with what it says."""
    return "a string" if isinstance(value, str) else excerpt(value)


def excerpt(value: object) -> str:
    """Give a short, escaped, ASCII form of a JSON value for an error's description; of a longer text its length."""
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case str() if len(value) > _MAX_EXCERPT:
            return f"a text of {len(value)} characters"
        case _:
            return json.dumps(value)
