"""The offline provider: says the user's message back, word by word, so that everything works without a key."""

import re
from collections.abc import AsyncGenerator, Collection, Sequence
from datetime import timedelta
from typing import Final

from server.adapters.provider.echo_image import pattern
from server.domain.context import PromptMessage
from server.domain.enclosure import Enclosure, mention
from server.domain.message import Role, Usage
from server.ports.provider import (
    CompletionRequest,
    Image,
    ImageRequest,
    Piece,
    RequestedCall,
    TextPiece,
    ToolCallsPiece,
    UsageReport,
)
from server.ports.system import Clock

DEFAULT_WORD_DELAY: Final = timedelta(milliseconds=20)

# A long message is quoted in part: an answer ends within seconds whatever was asked.
_QUOTED_CHARACTERS: Final = 600
_EXPLANATION: Final = (
    "This is Parley's offline echo model. For real answers set OPENROUTER_API_KEY, or PARLEY_OPENAI_BASE_URL, "
    "PARLEY_OPENAI_API_KEY and PARLEY_DEFAULT_MODEL, and start again."
)
_WORD: Final = re.compile(r"\s*\S+")
_CALL: Final = re.compile(r"^/call[ \t]+(\S+)[ \t]*(.*)$", re.MULTILINE)


class EchoProvider:
    """Repeats the last user message and explains itself; draws patterns. Deterministic; takes any model name; never
    fails.

    With tools it asks for those that the last message names, one a line: `/call NAME {"argument": 1}`; what they answer
    it repeats.
    """

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
        calls = calls_in(request)
        reply = "" if calls else reply_to(request.messages, [tool.name for tool in request.tools])
        words: list[str] = _WORD.findall(reply)[: request.generation.max_tokens]
        for index, word in enumerate(words):
            if index and self._word_delay:
                await self._clock.sleep(self._word_delay)
            yield TextPiece(word)
        if calls:
            yield ToolCallsPiece(calls)
        prompt = sum(len(message.content.split()) for message in request.messages)
        yield UsageReport(Usage(prompt, len(words), prompt + len(words)))

    async def draw(self, request: ImageRequest) -> Image:
        """A pattern that depends on the prompt alone."""
        return Image(pattern(request.prompt), "image/png")

    async def aclose(self) -> None:
        """Nothing is held open."""


def calls_in(request: CompletionRequest) -> tuple[RequestedCall, ...]:
    """The calls of offered tools that a user's message ends the prompt with."""
    last = request.messages[-1] if request.messages else None
    if last is None or last.role is not Role.USER or not request.may_call:
        return ()
    offered = {tool.name for tool in request.tools}
    asked = [(name, said) for name, said in _CALL.findall(last.content) if name in offered]
    return tuple(
        RequestedCall(f"echo_{place}", name, said.strip() or "{}") for place, (name, said) in enumerate(asked, 1)
    )


def reply_to(messages: Sequence[PromptMessage], offered: Collection[str] = ()) -> str:
    """The whole answer that echo gives to a prompt, with the names of the tools that it may ask for."""
    if messages and messages[-1].role is Role.TOOL:
        return "\n\n".join(f"The tool says: {_quoted(message.content)}" for message in _results(messages))
    said = next((message.content for message in reversed(messages) if message.role is Role.USER), "").strip()
    quoted = f"You said: {_quoted(said)}" if said else "You said nothing yet."
    files = next((message.enclosures for message in reversed(messages) if message.role is Role.USER), ())
    if files:
        quoted += "\n\n" + "\n".join(_seen(each) for each in files)
    hint = f' Tools are tried with a line such as /call {min(offered)} {{"argument": 1}}.' if offered else ""
    return f"{quoted}\n\n{_EXPLANATION}{hint}"


def _results(messages: Sequence[PromptMessage]) -> list[PromptMessage]:
    """The results that end a prompt, in order."""
    before = next((place for place in range(len(messages), 0, -1) if messages[place - 1].role is not Role.TOOL), 0)
    return list(messages[before:])


def _seen(enclosure: Enclosure) -> str:
    """What echo says of a file."""
    file = enclosure.attachment
    return f"Attached: {mention(file)}, {file.size} bytes, shown: {enclosure.shown.lower()}."


def _quoted(said: str) -> str:
    return said if len(said) <= _QUOTED_CHARACTERS else f"{said[:_QUOTED_CHARACTERS].rstrip()}…"
