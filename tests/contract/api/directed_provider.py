"""A model that does what the user's message tells it, so that a case is data alone."""

import asyncio
import re
from collections.abc import AsyncGenerator

from server.adapters.provider.echo import calls_in
from server.application import summaries
from server.application.titles import INSTRUCTIONS
from server.domain.message import Role, Usage
from server.ports.provider import (
    CompletionRequest,
    Image,
    ImageRequest,
    Piece,
    ProviderError,
    TextPiece,
    ToolCallsPiece,
    UsageReport,
)
from tests.support.images import DOT
from tests.support.scripted_provider import ScriptedProvider

TITLE = "A fine title"
SUMMARY = "They met."
UNSPEAKABLE = "Something unspeakable."
"""A summary that the guardrails refuse."""
_PIECE = 4096
"""Characters at a time."""


class DirectedProvider(ScriptedProvider):
    """`hold` says "Holding" and never ends; `fail REASON` fails at once; lines `/call TOOL {…}` ask for offered tools,
    as echo does; `briefly ANYTHING` is answered "Briefly."; anything else is said back, tools' results included, or
    drawn as a single dot. Asked for a title, it says `TITLE`; asked for a summary, `SUMMARY`, unless what is to be
    summarised tells it how to fail."""

    holding = 0
    """How many answers are being held."""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """Do as told by the last message."""
        if request.messages[0].content == INSTRUCTIONS:
            yield TextPiece(TITLE)
            return
        told = request.messages[-1].content
        if request.messages[0].content == summaries.INSTRUCTIONS:
            if failure := re.search(r"User: do not summarise: (\w+)", told):
                raise ProviderError(failure[1], "as directed")
            yield TextPiece(UNSPEAKABLE if "User: summarise badly" in told else SUMMARY)
            return
        if request.messages[-1].role is Role.USER and (calls := calls_in(request)):
            yield ToolCallsPiece(calls)
            return
        if told == "hold":
            self.holding += 1
            try:
                yield TextPiece("Holding")
                await asyncio.Event().wait()
            finally:
                self.holding -= 1
        if told.startswith("fail "):
            raise ProviderError(told.removeprefix("fail "), "as directed")
        said = "Briefly." if told.startswith("briefly ") else f"You said: {told}"
        for start in range(0, len(said), _PIECE):
            yield TextPiece(said[start : start + _PIECE])
        yield UsageReport(Usage(3, 4, 7))

    async def draw(self, request: ImageRequest) -> Image:
        """Do as told by the prompt."""
        if request.prompt == "hold":
            await asyncio.Event().wait()
        if request.prompt.startswith("fail "):
            raise ProviderError(request.prompt.removeprefix("fail "), "as directed")
        return Image(DOT, "image/png")
