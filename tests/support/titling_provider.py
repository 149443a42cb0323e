"""A scripted provider that is asked for titles, too: they have scripts of their own, whenever they are asked for."""

from collections import deque
from collections.abc import AsyncGenerator

from server.application.titles import INSTRUCTIONS
from server.ports.provider import CompletionRequest, Piece
from tests.support.scripted_provider import ScriptedProvider, Step, pieces_of


class TitlingProvider(ScriptedProvider):
    """Plays one script a request, and one title a request for a title; without scripts for titles none has words."""

    def __init__(self, *, default: tuple[Step, ...] | None = None) -> None:
        super().__init__(default=default)
        self._titles: deque[tuple[Step, ...]] = deque()
        self.title_requests: list[CompletionRequest] = []
        """Every request for a title, in order of arrival."""

    def script_title(self, *steps: Step) -> None:
        """Queue the answer to one request for a title."""
        self._titles.append(steps)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """Play the next script of the request's kind."""
        if request.messages[0].content != INSTRUCTIONS:
            async for piece in super().stream(request):
                yield piece
            return
        self.title_requests.append(request)
        for step in self._titles.popleft() if self._titles else ():
            async for piece in pieces_of(step):
                yield piece
