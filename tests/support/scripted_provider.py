"""A model provider inside the process that plays scripts, for the tests of what stands above the provider port.

    provider = ScriptedProvider()
    gate = Gate()
    provider.script("Hello", " there", gate, " again", usage(3, 3))
    ...
    await gate.reached()      # "Hello", " there" were taken, the stream stands at the gate
    gate.open()

A script is one answer; scripts are played in the order in which they were given, one a request. Steps: a `str` is a
`TextPiece`; a piece is sent as it is; a `Gate` holds the stream; an exception is raised; `Endless(step)` repeats one
piece for ever. A script that ends without raising is a whole answer.

    provider.script_image(gate, PIXEL)

An image's script ends with its bytes.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from server.domain.image import image_type
from server.domain.message import Usage
from server.ports.provider import CompletionRequest, Image, ImageRequest, Piece, TextPiece, UsageReport
from tests.support.upstream.gate import Changes, Gate


@dataclass(frozen=True, slots=True)
class Endless:
    """The same piece for ever, with a turn of the loop after each."""

    piece: str | Piece


Step = str | Piece | Gate | BaseException | Endless


def usage(prompt_tokens: int, completion_tokens: int) -> UsageReport:
    """A usage report whose total is the sum."""
    return UsageReport(Usage(prompt_tokens, completion_tokens, prompt_tokens + completion_tokens))


class ScriptedProvider:
    """Plays one script a request; records the requests and how many streams are open.

    `default` answers when no script is left; without it an unexpected request fails with `AssertionError`.
    """

    def __init__(self, *, name: str = "scripted", default: tuple[Step, ...] | None = None) -> None:
        self._name = name
        self._default = default
        self._scripts: deque[tuple[Step, ...]] = deque()
        self._images: deque[tuple[bytes | Gate | BaseException, ...]] = deque()
        self._changes = Changes()
        self.requests: list[CompletionRequest] = []
        """Every request for a text, in order of arrival."""
        self.image_requests: list[ImageRequest] = []
        """Every request for an image, in order of arrival."""
        self.streams_open = 0
        """Streams that were begun and are not over."""
        self.streams_abandoned = 0
        """Streams that the consumer closed, or was cancelled in, before their script's end."""
        self.closed = False
        """Whether the provider itself was closed."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def script(self, *steps: Step) -> None:
        """Queue the answer to one request."""
        self._scripts.append(steps)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """Play the next script. It is taken, and the request recorded, when the stream is first read."""
        steps = self._take()
        self.requests.append(request)
        self._count(opened=1)
        whole = False
        try:
            for step in steps:
                async for piece in pieces_of(step):
                    yield piece
            whole = True
        except Exception:
            whole = True
            raise
        finally:
            self.streams_abandoned += not whole
            self._count(opened=-1)

    def script_image(self, *steps: bytes | Gate | BaseException) -> None:
        """Queue the answer to one request for an image."""
        self._images.append(steps)

    async def draw(self, request: ImageRequest) -> Image:
        """Play the next script of an image."""
        self.image_requests.append(request)
        self._count(opened=1)
        try:
            return await self._play_image()
        except asyncio.CancelledError:
            self.streams_abandoned += 1
            raise
        finally:
            self._count(opened=-1)

    async def _play_image(self) -> Image:
        for step in self._images.popleft() if self._images else ():
            match step:
                case Gate():
                    await step.pass_through()
                case BaseException():
                    raise step
                case bytes():
                    return Image(step, image_type(step) or "")
        raise AssertionError(f"provider {self._name!r}: an image that no script answers")

    async def requested(self, count: int = 1) -> None:
        """Wait until `count` requests have come in all."""
        await self._changes.until(lambda: len(self.requests) >= count)

    async def idle(self) -> None:
        """Wait until no stream is open."""
        await self._changes.until(lambda: self.streams_open == 0)

    async def aclose(self) -> None:
        """Remember that it was closed; nothing is held open."""
        self.closed = True

    def _take(self) -> tuple[Step, ...]:
        if self._scripts:
            return self._scripts.popleft()
        if self._default is None:
            raise AssertionError(f"provider {self._name!r}: a request that no script answers")
        return self._default

    def _count(self, *, opened: int) -> None:
        self.streams_open += opened
        self._changes.happened()


async def pieces_of(step: Step) -> AsyncGenerator[Piece, None]:
    """What a step of a script sends."""
    match step:
        case str():
            yield TextPiece(step)
        case Gate():
            await step.pass_through()
        case BaseException():
            raise step
        case Endless(piece):
            while True:
                yield TextPiece(piece) if isinstance(piece, str) else piece
                await asyncio.sleep(0)
        case _:
            yield step
