"""What a call presents: a key, a person's token, or a publishable key and the token that makes it count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from server.domain.errors import KeyConflict, KeyMissing
from server.domain.key import KeyStyle

_PUBLISHABLE: Final = f"{KeyStyle.PUBLISHABLE}_"


@dataclass(frozen=True, slots=True)
class Credentials:
    """At least one of the two; both only when the key looks like a publishable one."""

    key: str | None = None
    token: str | None = None


def presented(texts: Sequence[str]) -> Credentials:
    """The credentials of a call, whatever headers they came in; the same one twice is one.

    Raises `KeyMissing` for none and `KeyConflict` for two that are not a publishable key and a token.
    """
    match list(dict.fromkeys(texts)):
        case []:
            raise KeyMissing
        case [text] if _is_token(text):
            return Credentials(token=text)
        case [text]:
            return Credentials(key=text)
        case [key, token] if key.startswith(_PUBLISHABLE) and _is_token(token):
            return Credentials(key, token)
        case [token, key] if key.startswith(_PUBLISHABLE) and _is_token(token):
            return Credentials(key, token)
    raise KeyConflict


def _is_token(text: str) -> bool:
    """Whether a text is meant as a token: its parts are joined by dots, which no key has."""
    return "." in text
