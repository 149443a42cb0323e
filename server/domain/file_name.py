"""Names of files and folders: what somebody else's machine may be shown, and when two of them are the same.

Names are shown and never become part of a path here; they are still held to what every usual file system takes,
because a download makes a path of one elsewhere.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final

from server.domain.errors import FieldViolation, InvalidField

MAX_NAME_BYTES: Final = 255
_MAX_KEY_BYTES: Final = 400  # a few characters stand for a whole phrase
# Joiners are part of words in several scripts, and of emoji; every other invisible character serves deceit.
_JOINERS: Final = frozenset("\u200c\u200d")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SEPARATORS: Final = frozenset("/\\")
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)


def checked_name(text: str, *, field: str = "name") -> str:
    """The name in NFC. Raises `InvalidField` for one that is no safe file name, saying which rule it breaks."""
    name = unicodedata.normalize("NFC", text)
    fault = _fault(name)
    if fault is not None:
        raise InvalidField([FieldViolation(field, fault)])
    return name


def name_key(name: str) -> str:
    """What two names have in common that look alike: equal for `A.txt` and `a.txt`, for full-width letters and plain
    ones, with and without joiners."""
    bare = "".join(character for character in name if character not in _JOINERS)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", bare).casefold())


def _fault(name: str) -> str | None:
    for is_broken, description in _RULES:
        if is_broken(name):
            return description
    return None


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in _INVISIBLE and character not in _JOINERS


_RULES: Final[Sequence[tuple[Callable[[str], bool], str]]] = (
    (
        lambda name: not 1 <= len(name.encode(errors="replace")) <= MAX_NAME_BYTES,
        f"must have 1 to {MAX_NAME_BYTES} bytes in UTF-8",
    ),
    (
        lambda name: any(map(_is_invisible, name)),
        "must have no control characters and no invisible ones that change how it reads",
    ),
    (lambda name: not _SEPARATORS.isdisjoint(name), "must have no slashes and no backslashes"),
    (
        lambda name: name != name.strip() or name.endswith("."),
        "must not begin or end with a blank, nor end with a dot",
    ),
    (lambda name: _DEVICE.fullmatch(name) is not None, "is reserved on some systems"),
    (lambda name: not 1 <= len(name_key(name).encode()) <= _MAX_KEY_BYTES, "must read as a short text"),
)
"""What a name must not be, and how that is said; in this order."""
