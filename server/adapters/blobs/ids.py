"""What ids of files look like. Ids come from rows and from callers alike; nothing else may become part of a place."""

import re
from typing import Final

_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_id(text: str) -> bool:
    """Whether a text is the id of a file."""
    return _ID.fullmatch(text) is not None
