"""A provider of a house that asks a model server over HTTP."""

from collections.abc import AsyncGenerator

from server.adapters.provider.openai_compatible import OpenAICompatibleProvider
from server.ports.provider import CompletionRequest, Piece
from tests.support.scripted_provider import ScriptedProvider


class UpstreamProvider(ScriptedProvider):
    """Asks a model server over HTTP."""

    def __init__(self, server: OpenAICompatibleProvider) -> None:
        super().__init__(name=server.name)
        self._server = server

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """Its answer."""
        async for piece in self._server.stream(request):
            yield piece
