"""The transport's own limits, so that a call without a socket fails where one through a socket would."""

import string
from functools import lru_cache

from gateway.core.metadata import Metadata, size_of, trailers_size
from gateway.edge.upstream.call import Outcome

MESSAGE_LIMIT = 4 * 1024 * 1024
METADATA_LIMIT = 8 * 1024
RESOURCE_EXHAUSTED = 8
INTERNAL = 13
_KEY_CHARACTERS = frozenset(string.ascii_lowercase + string.digits + "-_.")


def too_large(side: str, size: int, limit: int) -> str:
    """Say what grpc says of a message over the limit; `side` is that which refuses it."""
    return f"{side}: Received message larger than max ({size} vs. {limit})"


def deliverable(outcome: Outcome) -> Outcome:
    """Give the outcome as it would arrive: one with metadata that cannot be sent or received becomes an error."""
    if not (outcome.initial or outcome.trailing or outcome.message):
        return outcome
    if not (_is_valid(outcome.initial) and _is_valid(outcome.trailing)):
        return Outcome(INTERNAL, "Invalid metadata")
    size = size_of(outcome.initial)
    if outcome.trailing or outcome.message:
        size = max(size, trailers_size(outcome.code, outcome.message, outcome.trailing))
    if size > METADATA_LIMIT:
        return Outcome(RESOURCE_EXHAUSTED, f"received metadata size exceeds hard limit ({size} vs. {METADATA_LIMIT})")
    return outcome


def _is_valid(metadata: Metadata) -> bool:
    for key, value in metadata:
        if not _is_key(key):
            return False
        if key.endswith("-bin"):
            if not isinstance(value, bytes):
                return False
        elif not _is_printable(value):
            return False
    return True


# A service has a few keys, and uses them in every reply.
@lru_cache(maxsize=256)
def _is_key(text: str) -> bool:
    return bool(text) and _KEY_CHARACTERS.issuperset(text)


def _is_printable(value: str | bytes) -> bool:
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return text.isascii() and text.isprintable()
