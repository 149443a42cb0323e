"""A model that says what its puppeteer says, word by word, and is silent in between."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator

from server.ports.provider import CompletionRequest, Piece, TextPiece
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Changes


class PuppetProvider(ScriptedProvider):
    """Answers are held by the content of the user message that asks for them."""

    def __init__(self) -> None:
        super().__init__()
        self._strings: dict[str, asyncio.Queue[str | Exception | None]] = {}
        self._asked: Counter[str] = Counter()
        self._asking = Changes()

    async def asked(self, question: str, times: int) -> None:
        """Wait until a question was asked so many times in all."""
        async with asyncio.timeout(20):
            await self._asking.until(lambda: self._asked[question] >= times)

    def say(self, question: str, line: str | Exception | None) -> None:
        """Say a word of the answer under way; `None` ends it, an exception breaks it."""
        self._strings[question].put_nowait(line)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """Whatever is said, from now on."""
        question = str(request.messages[-1].content)
        lines = self._strings[question] = asyncio.Queue()
        self._asked[question] += 1
        self._asking.happened()
        while (line := await lines.get()) is not None:
            if isinstance(line, Exception):
                raise line
            yield TextPiece(line)
