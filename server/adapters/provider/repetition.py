"""Takes a provider's words out of an error where they repeat what it was asked: content is in conversations, not in
the texts of errors."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from server.ports.provider import CompletionRequest, ProviderError

_REPEATED: Final = 16
"""So many characters in a row are no chance."""
_PART: Final = _REPEATED // 2
_LOOKED_AT: Final = 64 * 1024
"""Characters of a text."""
MOST: Final = 4 * 1024 * 1024
"""Characters of all texts: looking at more would hold up everything else."""
_MESSAGES: Final = 64


def texts(request: CompletionRequest) -> Iterator[str]:
    """What a request says, its last messages first: of more than can be looked at, those are what errors are about."""
    left = MOST
    for text in _texts(request):
        looked_at = text[: min(left, _LOOKED_AT)]
        left -= len(looked_at)
        yield looked_at
        if not left:
            return


def _texts(request: CompletionRequest) -> Iterator[str]:
    for message in islice(reversed(request.messages), _MESSAGES):
        yield message.content
        for enclosure in message.enclosures:
            yield enclosure.text or enclosure.data[:_LOOKED_AT].decode("ascii")
        for call in message.tool_calls:
            yield call.arguments


def without_repetition(error: ProviderError, said: Iterable[str]) -> ProviderError:
    """The error as it is, or without the provider's own words when they repeat some of what was said."""
    if not error.quote or not _repeats(error.quote, said):
        return error
    return ProviderError(error.reason, error.fact, retryable=error.retryable, retry_after=error.retry_after)


def _repeats(quote: str, said: Iterable[str]) -> bool:
    windows, parts = _runs_of(quote, _REPEATED), _runs_of(quote, _PART)
    # A quote is one line, whatever the lines of what it repeats.
    lines = (" ".join(text[:_LOOKED_AT].split()) for text in said)
    return bool(windows) and any(_has_one(line, windows, parts) for line in lines)


def _runs_of(text: str, length: int) -> set[str]:
    return {text[start : start + length] for start in range(len(text) - length + 1)}


def _has_one(line: str, windows: set[str], parts: set[str]) -> bool:
    """Whether one of the windows is in the line. Wherever it is, a whole part of it is at a multiple of that length, so
    that the rest of the line need not be looked at."""
    for place in range(0, len(line), _PART):
        if line[place : place + _PART] in parts:
            starts = range(max(0, place - _PART + 1), place + 1)
            if any(line[start : start + _REPEATED] in windows for start in starts):
                return True
    return False
