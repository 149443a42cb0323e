"""The name under which a model sees a server's tool: valid for every provider, and one tool's for good.

Providers take names of `[a-zA-Z0-9_-]{1,64}`. A tool's own name is the server's free choice, so what does not fit is
replaced and made distinct again by a digest.
"""

import hashlib
import re
from typing import Final

from server.domain.tool import SEPARATOR

MOST_CHARACTERS: Final = 64
"""How long a name may be."""
SERVER_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
"""A server's name: no underscore, so that the first one of an exposed name ends it."""

_DIGEST_CHARACTERS: Final = 12
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_-]")
_DIGESTED: Final = re.compile(rf"_[0-9a-f]{{{_DIGEST_CHARACTERS}}}\Z")


def exposed_name(server: str, tool: str) -> str:
    """`server__tool` where that can be a name, else `server__` with what is left of the tool's name, `_` and a digest
    of the whole.

    A name that merely looks as if it ended in a digest gets one too: so no tool can be named like another's digested
    name. Tools of two servers never share a name, for a server's name holds no underscore.
    """
    prefix = f"{server}{SEPARATOR}"
    if tool and len(prefix) + len(tool) <= MOST_CHARACTERS and not _FOREIGN.search(tool) and not _DIGESTED.search(tool):
        return prefix + tool
    digest = hashlib.sha256(tool.encode(errors="surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]
    room = MOST_CHARACTERS - len(prefix) - len(digest) - 1
    return f"{prefix}{_FOREIGN.sub('_', tool)[:room]}_{digest}"
