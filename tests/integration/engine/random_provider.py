"""A model whose answers, delays and failures are drawn from a seed."""

import asyncio
from collections.abc import AsyncGenerator
from random import Random

from server.ports.provider import (
    CompletionRequest,
    CutShort,
    Image,
    ImageRequest,
    Piece,
    ProviderError,
    ReasoningPiece,
    RequestedCall,
    TextPiece,
    ToolCallsPiece,
)
from tests.support.images import DOT
from tests.support.scripted_provider import ScriptedProvider, usage
from tests.support.upstream.gate import Gate

_WORDS = ("word ", "mot ", "слово ", "語", "🙂", "\n", " ", "\x00", "two words ")
_ARGUMENTS = (*['{"n": 1}'] * 12, "", "{}", '{"n": "x"}', "{")


class RandomProvider(ScriptedProvider):
    """Makes its scripts up as it goes. Once it has calmed down, every answer is whole and comes at once."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self._gates: list[Gate] = []
        self._is_calm = False

    def open_gate(self) -> None:
        """Let one of the answers that stand still go on."""
        if self._gates:
            self._gates.pop(self._random.randrange(len(self._gates))).open()

    def calm_down(self) -> None:
        """Let everything go on, now and later."""
        self._is_calm = True
        while self._gates:
            self.open_gate()

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """An answer of up to eight pieces, that may halt, fail as providers do or as defects do, or ask for tools."""
        self.requests.append(request)
        for _ in range(self._random.randrange(8)):
            await self._dawdle()
            text = self._random.choice(_WORDS) * self._random.randrange(1, 4)
            yield ReasoningPiece(text) if self._random.random() < 0.2 else TextPiece(text)
        await self._dawdle()
        if request.tools and request.may_call and not self._is_calm and self._random.random() < 0.7:
            yield ToolCallsPiece(tuple(self._call(request) for _ in range(self._random.randrange(1, 4))))
            if self._random.random() < 0.1:
                yield CutShort()
        yield usage(1, 1)

    def _call(self, request: CompletionRequest) -> RequestedCall:
        """A call of an offered tool, most of the time."""
        name = self._random.choice([tool.name for tool in request.tools] * 6 + ["", "nothing"])
        return RequestedCall(self._random.choice(("", "p1", "p2")), name, self._random.choice(_ARGUMENTS))

    async def draw(self, request: ImageRequest) -> Image:
        """A dot, that may halt or fail as answers do."""
        self.image_requests.append(request)
        await self._dawdle()
        return Image(DOT, "image/png")

    async def _dawdle(self) -> None:
        if self._is_calm:
            return
        fate = self._random.random()
        if fate < 0.06:
            gate = Gate()
            self._gates.append(gate)
            await gate.pass_through()
        elif fate < 0.09:
            raise ProviderError("PROVIDER_UNAVAILABLE", "out of order", retryable=True)
        elif fate < 0.11:
            raise RuntimeError("a defect")
        else:
            for _ in range(self._random.randrange(20)):
                await asyncio.sleep(0)
