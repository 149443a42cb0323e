"""What a model says without what it thinks aloud. Pure."""

import re
from typing import Final

# An unclosed thought is all there is.
_THOUGHT: Final = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL | re.IGNORECASE)


def without_thoughts(said: str) -> str:
    """The text without its thoughts, which some models put before what they were asked for."""
    return _THOUGHT.sub("", said)
