"""A model provider: turns a prompt into a stream of pieces, or into an image."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.ids import ModelId
from server.domain.message import Usage
from server.domain.model import Model
from server.domain.tool import ToolSpec


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What is asked of a model. `generation.model` is the model's id as the provider knows it.

    What messages bring along stands in their `enclosures`, with contents in base 64: a request may hold megabytes.
    The messages are those of every origin: a provider sends what belongs to one (ids of calls, `provider_parts`) to
    that one alone, see `domain.addressed`.
    """

    messages: tuple[PromptMessage, ...]
    generation: GenerationConfig
    tools: tuple[ToolSpec, ...] = ()
    """What the model may ask for; without any it cannot ask."""
    may_call: bool = True
    """Whether it may ask now; if not, it is shown the tools all the same, for some providers refuse a history with tool
    calls and no tools beside it."""


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A piece of the answer, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningPiece:
    """A piece of what the model thinks before it answers, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What the request cost. At most once, the last wins."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class CutShort:
    """The model had more to say: the answer is over because it reached a limit, or the provider's own filter."""


@dataclass(frozen=True, slots=True)
class RequestedCall:
    """A tool call as the model wrote it: nothing of it is checked. `provider_id` is the provider's own id of it, empty
    when it gave none; `arguments` is text that should be a JSON object, `{}` of a whole answer that gave none."""

    provider_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolCallsPiece:
    """Every tool call of the answer, whole and in the order of the provider's indices. At most once, behind all text,
    and only of an answer that came to its end; together with `CutShort` the last of them may be cut."""

    calls: tuple[RequestedCall, ...]


@dataclass(frozen=True, slots=True)
class ProviderParts:
    """What the provider wants to see again with this message and nobody else understands (signatures of reasoning and
    the like): JSON text of at most 64 KiB. At most once, behind all text and of an answer that came to its end. Never
    shown, and so held against no rule."""

    json: str


Piece = TextPiece | ReasoningPiece | ToolCallsPiece | ProviderParts | UsageReport | CutShort


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What is asked of a model that draws. `model` is its id as the provider knows it."""

    model: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Image:
    """One image, of at most `MAX_IMAGE_BYTES`; `media_type` is what its bytes show, not what somebody said."""

    content: bytes = field(repr=False)
    media_type: str


class ProviderError(Exception):
    """The provider did not answer, or not to the end.

    `reason` is an `ErrorReason` of the protos without its prefix (`PROVIDER_…`, `CONTEXT_TOO_LONG`); `message` is for
    the caller: what happened and what can be done, never a key, a header or a stack. `retryable`: the same request
    may succeed later. `retry_after`: how long the provider asks to wait, when it says so. `quote`: its own words, which
    the text ends with.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after: timedelta | None = None,
        quote: str = "",
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.fact = message
        """The message without the quote."""
        self.quote = quote
        self.retryable = retryable
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        """What happened and what can be done; with what the provider says of it, if anything."""
        return f"{self.fact} It says: {self.quote}" if self.quote else self.fact


class Provider(Protocol):
    """One configured provider. Safe to use from many tasks of one loop."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Piece, None]:
        """The answer, piece by piece, as it comes.

        Returns normally only when the provider said that the answer is whole; every other end raises
        `ProviderError`. Closing the generator (`aclose`) or cancelling its consumer ends the request to the
        provider at once. Retries, if any, happen before the first piece only.
        """
        ...

    async def draw(self, request: ImageRequest) -> Image:
        """One image after a prompt.

        Every failure raises `ProviderError`. Cancelling the caller ends the request to the provider at once.
        """
        ...


class Models(Protocol):
    """The configured models and who serves them."""

    def resolve(self, name: str | None) -> Model:
        """The model of that name, the default model for `None`. Raises `UnknownModel`."""
        ...

    def image_model(self) -> Model | None:
        """The model that draws when nobody names one; `None` when none is configured."""
        ...

    def resolve_image(self, name: str | None) -> Model:
        """The model of that name to draw with, the default one for `None`. Raises `UnknownModel`,
        `ImagesUnavailable`."""
        ...

    def offered(self, provider: str, name: str) -> Model:
        """The model of that name at that provider. Raises `UnknownModel`."""
        ...

    def by_id(self, model_id: ModelId) -> Model:
        """The model of that id. Raises `UnknownModel`."""
        ...

    def all(self) -> Sequence[Model]:
        """Every listed model, the default one first."""
        ...

    def provider(self, name: str) -> Provider:
        """The provider of that name. Raises `UnknownModel` when the configuration no longer has it."""
        ...

    def is_offline(self, provider: str) -> bool:
        """Whether no model stands behind the provider of that name, so that it can do no more than echo."""
        ...
