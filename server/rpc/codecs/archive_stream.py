"""The `start`, `reasoning`, `content` and `message` of `StreamChat`, made from the events of its run."""

from collections.abc import Iterator, Sequence

from parley.archive.v3 import archive_pb2 as pb

from server.application.answer_story import AnswerStory, Begun, Said, Thought, Told
from server.application.outcomes import answer_in
from server.domain.events import Draining, Event, Shown
from server.domain.run import Run
from server.rpc.codecs.archive import encode_answer
from server.rpc.codecs.event_id import encode_event_id, encode_place


class ArchiveStream:
    """Translates the events of one run, from its first on and in order."""

    def __init__(self, run: Run, *, after: int) -> None:
        """`after`: the place in the conversation's log up to which the reader has seen the run."""
        self._run = run
        self._after = after
        self._story = AnswerStory()

    def encode(self, shown: Shown) -> Iterator[pb.StreamChatResponse]:
        """What it is to a reader: nothing for what the stream leaves out, or the reader has seen already."""
        match shown:
            case Draining(after=after):
                warning = pb.StreamChatResponse.Draining(after_sequence=after)
                yield pb.StreamChatResponse(id=encode_place(self._run, after), draining=warning)
            case Event():
                told = self._story.take(shown)
                if shown.sequence > self._after:
                    yield from self._encode_event(shown, told)

    def _encode_event(self, event: Event, told: Sequence[Told]) -> Iterator[pb.StreamChatResponse]:
        for each in told:
            yield self._placed(_encode(each, event), event, each.sequence)
        answer = answer_in(event)
        if answer is not None:
            whole = pb.StreamChatResponse(message=encode_answer(answer))
            yield self._placed(whole, event, event.sequence)

    def _placed(self, encoded: pb.StreamChatResponse, event: Event, sequence: int) -> pb.StreamChatResponse:
        encoded.sequence, encoded.id = sequence, encode_event_id(self._run.id, event, sequence)
        return encoded


def _encode(told: Told, event: Event) -> pb.StreamChatResponse:
    match told.part:
        case Begun(message_id):
            start = pb.StreamChatResponse.Start(conversation_id=event.conversation_id, message_id=message_id)
            return pb.StreamChatResponse(start=start)
        case Thought(text):
            return pb.StreamChatResponse(reasoning=pb.StreamChatResponse.Piece(content=text))
        case Said(text):
            return pb.StreamChatResponse(content=pb.StreamChatResponse.Piece(content=text))
