"""A scripted model that is asked for answers and for summaries, each with scripts of their own."""

from collections import deque
from collections.abc import AsyncGenerator

from server.application.summaries import INSTRUCTIONS
from server.ports.provider import CompletionRequest, Piece
from tests.support.scripted_provider import ScriptedProvider, Step


class SummarisingProvider(ScriptedProvider):
    """Plays `summary` scripts to requests for a summary; without one it says that so many were made."""

    def __init__(self, *, default: tuple[Step, ...] | None = None) -> None:
        super().__init__(default=default)
        self._summaries: deque[tuple[Step, ...]] = deque()
        self.asked_to_summarise: list[str] = []
        """What was to be summarised, in order of arrival."""

    def summary(self, *steps: Step) -> None:
        """Queue the answer to one request for a summary."""
        self._summaries.append(steps)

    @property
    def answered(self) -> list[CompletionRequest]:
        """The requests for answers."""
        return [request for request in self.requests if request.messages[0].content != INSTRUCTIONS]

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """Play the next script of the kind."""
        if request.messages[0].content == INSTRUCTIONS:
            self.asked_to_summarise.append(request.messages[1].content)
            said = f"Summary {len(self.asked_to_summarise)}."
            self._scripts.appendleft(self._summaries.popleft() if self._summaries else (said,))
        async for piece in super().stream(request):
            yield piece
