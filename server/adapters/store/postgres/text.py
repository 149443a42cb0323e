"""U+0000, which PostgreSQL cannot keep in text: it is stored as two other characters and comes back as it was."""

from typing import Any, Final

# A noncharacter: legal in UTF-8, never part of a text that anybody writes.
_ESCAPE: Final = "\ufffe"


def storable(value: Any) -> Any:
    """A parameter that PostgreSQL takes."""
    if type(value) is str and ("\x00" in value or _ESCAPE in value):
        return value.replace(_ESCAPE, f"{_ESCAPE}1").replace("\x00", f"{_ESCAPE}0")
    return value


def original(value: Any) -> Any:
    """The value that was given to `storable`."""
    if type(value) is str and _ESCAPE in value:
        return value.replace(f"{_ESCAPE}0", "\x00").replace(f"{_ESCAPE}1", _ESCAPE)
    return value
