"""The answer of one attempt while it grows: what was said, what of it is stored, how large it is."""

from datetime import datetime

from server.application.run_states import written
from server.domain.events import MessageStarted, Payload, ReasoningDelta, TextDelta
from server.domain.file import File
from server.domain.ids import MessageId
from server.domain.message import NO_METADATA, GeneratedImage, Message, MessageMetadata, Role, Usage
from server.domain.request_record import RequestRecord
from server.domain.run import Run, RunState
from server.ports.provider import (
    CutShort,
    Piece,
    ProviderParts,
    ReasoningPiece,
    RequestedCall,
    TextPiece,
    ToolCallsPiece,
    UsageReport,
)


class Answer:
    """Collects the pieces of an answer and hands out those that are not in the log yet, joined."""

    def __init__(self, *, message_id: MessageId, model: str) -> None:
        self.message_id = message_id
        self.usage: Usage | None = None
        self.size = 0
        """Bytes of text, reasoning and tool calls said so far, in UTF-8."""
        self.pending_size = 0
        """The same of the text and reasoning that are not handed out yet."""
        self.file: File | None = None
        """The file that it consists of, when it is not a text; its content is kept already."""
        self.image: GeneratedImage | None = None
        """The image that the file holds."""
        self.is_cut_short = False
        """Whether the model had more to say."""
        self.calls: tuple[RequestedCall, ...] = ()
        """What the model asks for before it goes on."""
        self.provider_parts: str | None = None
        """What its provider wants to see again with it."""
        self.is_cached = False
        """Whether it comes from the response cache."""
        self._model = model
        self._requests: list[RequestRecord] = []
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._pending: list[TextPiece | ReasoningPiece] = []
        self._started = False

    def answers(self, request: RequestRecord) -> None:
        """Learn what was asked, to be stored with the first that is stored of the answer."""
        self._requests.append(request)

    def take_requests(self) -> list[RequestRecord]:
        """What was asked, in order, unless somebody has taken it to store it."""
        requests, self._requests = self._requests, []
        return requests

    def add(self, piece: Piece) -> None:
        """Take the next piece."""
        if isinstance(piece, UsageReport):
            self.usage = piece.usage
            return
        if isinstance(piece, CutShort):
            self.is_cut_short = True
            return
        if isinstance(piece, ToolCallsPiece):
            self.calls = piece.calls
            self.size += sum(_size(call.provider_id + call.name + call.arguments) for call in piece.calls)
            return
        if isinstance(piece, ProviderParts):
            self.provider_parts = piece.json
            return
        (self._text if isinstance(piece, TextPiece) else self._reasoning).append(piece.text)
        self._pending.append(piece)
        size = _size(piece.text)
        self.size += size
        self.pending_size += size

    def show(self, file: File, image: GeneratedImage) -> None:
        """Consist of an image."""
        self.file = file
        self.image = image

    @property
    def text(self) -> str:
        """Everything said."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """Everything thought."""
        return "".join(self._reasoning)

    def take_pending(self, *, is_whole: bool = False) -> list[Payload]:
        """Events for what was said since the last call: one delta for each stretch of text or reasoning. A message
        begins with its first piece, or, when it `is_whole`, without any."""
        payloads: list[Payload] = []
        if (self._pending or is_whole) and not self._started:
            self._started = True
            payloads.append(MessageStarted(self.message_id, Role.ASSISTANT, self._model))
        for kind, text in _stretches(self._pending):
            delta = TextDelta if kind is TextPiece else ReasoningDelta
            payloads.append(delta(self.message_id, text))
        self._pending = []
        self.pending_size = 0
        return payloads


def message_of(answer: Answer, run: Run, *, state: RunState, now: datetime) -> Message:
    """The message that an answer is which came to its end, or in whose middle its run ends in `state`."""
    return written(
        run,
        answer.message_id,
        answer.text,
        answer.reasoning,
        state=state,
        now=now,
        usage=answer.usage,
        image=answer.image,
        metadata=MessageMetadata(cache_hit=True) if answer.is_cached else NO_METADATA,
        provider_parts=answer.provider_parts,
    )


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _stretches(pieces: list[TextPiece | ReasoningPiece]) -> list[tuple[type, str]]:
    stretches: list[tuple[type, list[str]]] = []
    for piece in pieces:
        if not stretches or stretches[-1][0] is not type(piece):
            stretches.append((type(piece), []))
        stretches[-1][1].append(piece.text)
    return [(kind, "".join(texts)) for kind, texts in stretches]
