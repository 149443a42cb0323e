"""Estimates of how many tokens a model counts, from the bytes of a text alone. Pure; knows no tokenizer.

A text costs by the kinds of its bytes: a letter of a word far less than a digit, a Han character about one token. The
weights were fitted to counts of a current vocabulary of 200,000 tokens; for other vocabularies, and for what a provider
adds by itself, an estimator is calibrated by the counts that the provider has reported.
"""

import math
import string
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from server.domain.attachment import EVERYTHING, AcceptedTypes, Attachment
from server.domain.context import PromptMessage
from server.domain.tool import ToolSpec

MIN_RATIO: Final = 0.5
MAX_RATIO: Final = 2.0

_MESSAGE_TOKENS: Final = 4
"""What role and delimiters of one message cost."""
_PLACEHOLDER_TOKENS: Final = 32
"""What the note costs that stands for a file which is not shown."""
SHORTEST_TEXT: Final = 64
"""What a text file costs of which nothing but its frame is left."""
_TOOL_TOKENS: Final = 8
"""What one tool call, or the declaration of one tool, costs besides its texts."""


def _bytes(first: int, last: int) -> bytes:
    return bytes(range(first, last + 1))


_PUNCTUATION: Final = string.punctuation.encode()
# Bytes that cost the same; of a character of several bytes its first one. What is in no class costs nothing.
_WEIGHTS: Final[tuple[tuple[bytes, float], ...]] = (
    (string.ascii_lowercase.encode(), 0.2),
    (string.ascii_uppercase.encode(), 0.33),
    (b" ", 0.113),
    (string.digits.encode(), 0.69),
    (_PUNCTUATION, 0.66),
    (b"\n\t\r", 0.8),
    (_bytes(0x00, 0x08) + _bytes(0x0E, 0x1F), 1.0),
    (_bytes(0xC2, 0xCB), 1.0),  # Latin letters with marks
    (_bytes(0xCC, 0xD4), 0.31),  # Greek, Cyrillic
    (_bytes(0xD5, 0xDF), 0.45),  # Armenian, Hebrew, Arabic
    (b"\xe0", 0.5),  # the scripts of South and South-East Asia
    (_bytes(0xE1, 0xE2) + _bytes(0xEE, 0xEF), 1.0),  # symbols, typographic marks, full-width forms
    (b"\xe3", 0.85),  # kana, CJK punctuation
    (_bytes(0xE4, 0xE9), 0.76),  # Han
    (_bytes(0xEA, 0xED), 0.69),  # Hangul
    (_bytes(0xF0, 0xF4), 2.0),  # emoji and rare scripts
)
# Every byte to the number of its class, so that counting is left to C: translated once, each class is a count.
_CLASSES: Final = bytes(
    next((number for number, (kind, _) in enumerate(_WEIGHTS, start=1) if byte in kind), 0) for byte in range(256)
)
_COUNTED: Final = tuple((number, weight) for number, (_, weight) in enumerate(_WEIGHTS, start=1))
_COUNTED_ASCII: Final = _COUNTED[:7]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a request was estimated at before any calibration, and what the provider counted."""

    estimated: int
    reported: int


@dataclass(frozen=True, slots=True)
class TokenEstimator:
    """Estimates for one model; `ratio` is by how much its counts differ from the plain estimate."""

    ratio: float = 1.0
    accepted: AcceptedTypes = EVERYTHING
    """What the model takes besides text: of other files it is shown a note."""
    most_of_a_text: int | None = None
    """Tokens, without calibration, that a text file takes at most; `None`: all that it has."""

    def with_texts_of(self, most: int | None) -> "TokenEstimator":
        """The estimator for requests that carry no more than that of a text file."""
        return self if most == self.most_of_a_text else replace(self, most_of_a_text=most)

    def text(self, text: str) -> int:
        """Tokens of a text; 0 for none."""
        return math.ceil(_plain(text) * self.ratio)

    def message(self, message: PromptMessage) -> int:
        """Tokens of a message, its tool calls and files included."""
        tokens = _MESSAGE_TOKENS + _plain(message.content)
        tokens += sum(_TOOL_TOKENS + _plain(call.name) + _plain(call.arguments) for call in message.tool_calls)
        if message.attachments:
            tokens += sum(map(self._attachment, message.attachments))
        return math.ceil(tokens * self.ratio)

    def tools(self, tools: Iterable[ToolSpec]) -> int:
        """Tokens of the declarations of tools."""
        plain = sum(
            _TOOL_TOKENS + _plain(tool.name) + _plain(tool.description) + _plain(tool.input_schema) for tool in tools
        )
        return math.ceil(plain * self.ratio)

    def _attachment(self, attachment: Attachment) -> int:
        if not self.accepted.take(attachment.media_type):
            return _PLACEHOLDER_TOKENS
        if self.most_of_a_text is None or not attachment.is_text:
            return attachment.tokens
        return min(attachment.tokens, max(SHORTEST_TEXT, self.most_of_a_text))


def calibrated(counts: Iterable[Counted], *, accepted: AcceptedTypes = EVERYTHING) -> TokenEstimator:
    """The estimator that fits what was reported of earlier requests, within bounds: one odd report may not make the
    next request absurdly small or large."""
    pairs = [count for count in counts if count.estimated > 0 and count.reported > 0]
    if not pairs:
        return TokenEstimator(accepted=accepted)
    ratio = sum(count.reported for count in pairs) / sum(count.estimated for count in pairs)
    return TokenEstimator(min(max(ratio, MIN_RATIO), MAX_RATIO), accepted)


def _plain(text: str) -> float:
    """The estimate without calibration."""
    if not text:
        return 0.0
    count = text.encode(errors="surrogatepass").translate(_CLASSES).count
    total = 0.0
    for number, weight in _COUNTED_ASCII if text.isascii() else _COUNTED:
        total += weight * count(number)
    return total
