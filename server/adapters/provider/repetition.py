"""Takes a provider's words out of an error where they repeat what it was asked: content is in conversations, not in
the texts of errors."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from server.ports.provider import CompletionRequest, ProviderError

_REPEATED: Final = 16
"""So many characters in a row are no chance."""
_LOOKED_AT: Final = 64 * 1024
_MESSAGES: Final = 64


def texts(request: CompletionRequest) -> Iterator[str]:
    """What a request says, its last messages first: of more than can be looked at, those are what errors are about."""
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
    windows = {quote[start : start + _REPEATED] for start in range(max(1, len(quote) - _REPEATED + 1))}
    # A quote is one line, whatever the lines of what it repeats.
    lines = (" ".join(text[:_LOOKED_AT].split()) for text in said)
    return any(window in line for line in lines for window in windows if len(window) == _REPEATED)
