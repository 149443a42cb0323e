"""Speech services that fail: what is tried again, how often, and what is told of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Literal, TypeVar

import httpx2
from openai import APIConnectionError, APIStatusError, OpenAIError

Service = Literal["speech to text", "text to speech"]
_Result = TypeVar("_Result")

TRIES: Final = 3
_PAUSE: Final = 0.5
"""Seconds before the second try; twice as long before the third."""
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 15.0
"""How long a service may be silent."""
_PASSING: Final = frozenset({408, 409, 425, 429})
"""Statuses below 500 that another try may mend."""


class SpeechFailure(Exception):
    """A speech service does not do its work. The text is for the operator: no content, no key, no body of a reply."""

    def __init__(self, service: Service, fact: str, *, status: int | None = None) -> None:
        super().__init__(f"{service}: {fact}")
        self.service: Service = service
        self.status = status
        """HTTP status of the reply, if there was one."""

    @property
    def is_of_the_request(self) -> bool:
        """Whether the service only refused what it was sent, and may do its work with something else."""
        return self.status in {400, 413, 415, 422}


class EmptyReply(Exception):
    """The service answered well, with nothing."""


def failure(service: Service, error: Exception) -> SpeechFailure:
    """What is told of an error that ends the tries."""
    if isinstance(error, APIStatusError):
        return SpeechFailure(service, f"HTTP {error.status_code}", status=error.status_code)
    if isinstance(error, EmptyReply):
        return SpeechFailure(service, "the reply has no audio")
    if isinstance(error, APIConnectionError | httpx2.TransportError):
        return SpeechFailure(service, "no answer")
    return SpeechFailure(service, type(error).__name__)


def may_pass(error: Exception) -> bool:
    """Whether another try may go better."""
    if isinstance(error, APIStatusError):
        return error.status_code >= 500 or error.status_code in _PASSING  # noqa: PLR2004 - server errors
    return isinstance(error, APIConnectionError | httpx2.TransportError | EmptyReply)


async def tried(service: Service, request: Callable[[], Awaitable[_Result]]) -> _Result:
    """What `request` gives, after up to `TRIES` tries. Raises `SpeechFailure`."""
    for number in range(1, TRIES + 1):
        try:
            return await request()
        except (OpenAIError, httpx2.TransportError, EmptyReply) as error:
            if number == TRIES or not may_pass(error):
                raise failure(service, error) from None
        await asyncio.sleep(_PAUSE * number)
    raise AssertionError  # pragma: no cover - the last try returns or raises


async def tried_stream(service: Service, request: Callable[[], AsyncIterator[bytes]]) -> AsyncIterator[bytes]:
    """The bytes of a stream, begun anew when it breaks, up to `TRIES` tries: what was given already is then skipped,
    for the same text makes much the same audio, and nobody hears a sentence twice. Raises `SpeechFailure`."""
    given = 0
    for number in range(1, TRIES + 1):
        try:
            skip = given
            async for chunk in request():
                fresh = chunk[skip:]
                skip = max(0, skip - len(chunk))
                if fresh:
                    given += len(fresh)
                    yield fresh
            if given:
                return
            raise EmptyReply  # noqa: TRY301 - handled like the other failures
        except (OpenAIError, httpx2.TransportError, EmptyReply) as error:
            if number == TRIES or not may_pass(error):
                raise failure(service, error) from None
        await asyncio.sleep(_PAUSE * number)
