"""The `start`, `content` and `end` of `StreamChat`, made from the events of its run."""

from collections.abc import Iterator

from parley.conversations.v1 import conversations_pb2 as pb

from server.application.answer_story import AnswerStory, Begun, Said, Told
from server.domain.events import Draining, Event, RunEnded, Shown
from server.domain.run import Run, RunState
from server.rpc.codecs.event_id import encode_event_id, encode_place


class ChatStream:
    """Translates the events of one run, from its first on and in order.

    A run whose open message is voided by a crash begins again: the second `start` voids the text before it, what still
    counts of it follows at once, and `end` names the message that is the answer's last. A run that was interrupted or
    cancelled ends like any other: its partial text stays.
    """

    def __init__(self, run: Run, *, after: int) -> None:
        """`after`: the place in the conversation's log up to which the reader has seen the run."""
        self._run = run
        self._after = after
        self._story = AnswerStory()

    def encode(self, shown: Shown) -> Iterator[pb.StreamChatResponse]:
        """What it is to a reader: nothing for what a chat does not show or the reader has seen already, and for the
        end of a failed run, which the caller of this has to turn into an error."""
        match shown:
            case Draining(after=after):
                warning = pb.StreamChatResponse.Draining(after_sequence=after)
                yield pb.StreamChatResponse(id=encode_place(self._run, after), draining=warning)
            case Event(payload=RunEnded(state=state)) if state is not RunState.FAILED:
                # Never left out, for no stream is without one. A run cancelled while it waited has no message.
                end = pb.StreamChatResponse.End(message_id=self._story.message_id or "")
                yield self._placed(pb.StreamChatResponse(end=end), shown, shown.sequence)
            case Event():
                yield from self._told(shown)

    def _told(self, event: Event) -> Iterator[pb.StreamChatResponse]:
        told = self._story.take(event)
        if event.sequence <= self._after:
            return
        for each in told:
            encoded = _encode(each)
            if encoded is not None:
                yield self._placed(encoded, event, each.sequence)

    def _placed(self, encoded: pb.StreamChatResponse, event: Event, sequence: int) -> pb.StreamChatResponse:
        encoded.sequence, encoded.id = sequence, encode_event_id(self._run.id, event, sequence)
        return encoded


def _encode(told: Told) -> pb.StreamChatResponse | None:
    match told.part:
        case Begun(message_id):
            return pb.StreamChatResponse(start=pb.StreamChatResponse.Start(message_id=message_id))
        case Said(text):
            return pb.StreamChatResponse(content=pb.StreamChatResponse.Content(content=text))
    return None
