"""Retries a provider's request as long as nothing of the answer was shown."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Final, Protocol

from server.ports.provider import CompletionRequest, Image, ImageRequest, Piece, Provider, ProviderError
from server.ports.system import Clock

ATTEMPTS: Final = 3
"""How often a request is sent at most, the first time included."""

_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 8.0
# A caller waits this long on a provider's word; beyond it the caller is told and decides.
_LONGEST_RETRY_AFTER: Final = timedelta(seconds=20)


class ClosableProvider(Provider, Protocol):
    """A provider that holds connections until it is closed."""

    async def aclose(self) -> None:
        """Give everything back. Streams must have ended."""
        ...


class RetryingProvider:
    """Another provider whose failures before the first piece are tried again.

    Only errors that are `retryable` are, `ATTEMPTS` times in all, after 0.5 s, 1 s … (at most 8 s; half of it fixed,
    half random, so that callers who failed together do not come back together) or what the provider asked for, if
    that is longer. A provider that asks for more than 20 s is not waited for: its error, with its `retry_after`, is
    the answer. Once a piece was given, no error is retried: the text would start again.
    """

    def __init__(self, provider: ClosableProvider, *, clock: Clock, random: Callable[[], float]) -> None:
        """Wrap `provider`; `random` gives numbers in [0, 1)."""
        self._provider = provider
        self._clock = clock
        self._random = random

    @property
    def name(self) -> str:
        """The name of the wrapped provider."""
        return self._provider.name

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """The wrapped provider's answer; the last attempt's error when none succeeds."""
        for attempt in range(1, ATTEMPTS + 1):
            begun = False
            try:
                async with aclosing(self._provider.stream(request)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                    return
            except ProviderError as error:
                if begun or attempt == ATTEMPTS or not _worth_waiting(error):
                    raise
                delay = self._delay(attempt, error.retry_after)
            await self._clock.sleep(delay)

    async def draw(self, request: ImageRequest) -> Image:
        """The wrapped provider's image; the last attempt's error when none succeeds."""
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._provider.draw(request)
            except ProviderError as error:
                if not _worth_waiting(error):
                    raise
                delay = self._delay(attempt, error.retry_after)
            await self._clock.sleep(delay)
        return await self._provider.draw(request)

    async def aclose(self) -> None:
        """Close the wrapped provider."""
        await self._provider.aclose()

    def _delay(self, attempt: int, retry_after: timedelta | None) -> float:
        longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** (attempt - 1))
        delay: float = longest / 2 + longest / 2 * self._random()
        return delay if retry_after is None else max(delay, retry_after.total_seconds())


def _worth_waiting(error: ProviderError) -> bool:
    return error.retryable and (error.retry_after is None or error.retry_after <= _LONGEST_RETRY_AFTER)
