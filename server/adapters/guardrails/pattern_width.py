"""How long a match of an RE2 pattern may get, so that no more than that is held back of an answer.

RE2 does not tell. Python's own parser does, for its own syntax: what the two read differently is put in terms of which
both mean the same, or one that is longer; where that cannot be done the answer is "unbounded", which is always right.
"""

import re
import warnings
from importlib import import_module
from typing import Any, Final

# Undocumented, and the same in all of Python 3.11. Not by an import statement: mypy knows these modules in one order of
# its work and not in another.
_parser: Final[Any] = import_module("re._parser")
_MAXREPEAT: Final[int] = import_module("re._constants").MAXREPEAT

# Read from left to right, so that an escaped backslash is over before what follows it.
_TOKEN: Final = re.compile(
    r"""\\Q.*?(?:\\E|$)             # a literal stretch
      | \\[pP](?:\{[^}]*\}|.)       # a Unicode class
      | \\x\{[^}]*\}                # a character by its number
      | \\z                         # the end of the text
      | \\.                         # any other escape
      | \[:\^?\w+:\]                # a POSIX class within a class
      | \(\?[imsU]*-?[imsU]*(?P<end>[:)])  # flags, for a group or for what follows
      | \(\?P?<\w+>                 # a group with a name
      | \{,                         # no repetition for RE2, one for Python
    """,
    re.VERBOSE | re.DOTALL,
)


def longest_match(pattern: str) -> int | None:
    """The most characters that a match of a valid RE2 pattern can have, or more; `None` when there is no bound."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _, longest = _parser.parse(_TOKEN.sub(_in_python, pattern)).getwidth()
    except (re.error, Warning, RecursionError, OverflowError):
        return None
    return None if longest >= _MAXREPEAT else int(longest)


def _in_python(token: re.Match[str]) -> str:
    """A token of RE2 as Python reads it; widths are kept, meanings need not be."""
    text = token[0]
    if text.startswith("\\Q"):
        return re.escape(text[2:].removesuffix("\\E"))
    if text.startswith(("\\p", "\\P", "\\x{", "[:")):
        return "a"
    if text.startswith("(?"):
        return {":": "(?:", ")": "", None: "("}[token["end"]]
    return {"\\z": "$", "{,": "\\{,"}.get(text, text)
