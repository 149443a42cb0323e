"""The offline provider: says the user's message back, word by word, so that everything works without a key."""

import re
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Final

from server.adapters.provider.echo_image import pattern
from server.domain.context import PromptMessage
from server.domain.message import Role, Usage
from server.ports.provider import CompletionRequest, Image, ImageRequest, Piece, TextPiece, UsageReport
from server.ports.system import Clock

DEFAULT_WORD_DELAY: Final = timedelta(milliseconds=20)

# A long message is quoted in part: an answer ends within seconds whatever was asked.
_QUOTED_CHARACTERS: Final = 600
_EXPLANATION: Final = (
    "This is Parley's offline echo model. For real answers set OPENROUTER_API_KEY, or PARLEY_OPENAI_BASE_URL, "
    "PARLEY_OPENAI_API_KEY and PARLEY_DEFAULT_MODEL, and start again."
)
_WORD: Final = re.compile(r"\s*\S+")


class EchoProvider:
    """Repeats the last user message and explains itself; draws patterns. Deterministic; takes any model name; never
    fails."""

    def __init__(self, *, name: str, clock: Clock, word_delay: timedelta = DEFAULT_WORD_DELAY) -> None:
        self._name = name
        self._clock = clock
        self._word_delay = word_delay.total_seconds()

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """One piece a word, the first at once; `max_tokens` cuts by words; usage counts words."""
        words: list[str] = _WORD.findall(reply_to(request.messages))[: request.generation.max_tokens]
        for index, word in enumerate(words):
            if index and self._word_delay:
                await self._clock.sleep(self._word_delay)
            yield TextPiece(word)
        prompt = sum(len(message.content.split()) for message in request.messages)
        yield UsageReport(Usage(prompt, len(words), prompt + len(words)))

    async def draw(self, request: ImageRequest) -> Image:
        """A pattern that depends on the prompt alone."""
        return Image(pattern(request.prompt), "image/png")

    async def aclose(self) -> None:
        """Nothing is held open."""


def reply_to(messages: Sequence[PromptMessage]) -> str:
    """The whole answer that echo gives to a prompt."""
    said = next((message.content for message in reversed(messages) if message.role is Role.USER), "").strip()
    if not said:
        return f"You said nothing yet.\n\n{_EXPLANATION}"
    quoted = said if len(said) <= _QUOTED_CHARACTERS else f"{said[:_QUOTED_CHARACTERS].rstrip()}…"
    return f"You said: {quoted}\n\n{_EXPLANATION}"
