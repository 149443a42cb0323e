"""The `start`, `content` and `end` of `StreamChat`, made from the events of its run."""

from parley.conversations.v1 import conversations_pb2 as pb

from server.domain.events import Draining, Event, MessageStarted, RunEnded, Shown, TextDelta
from server.domain.ids import MessageId
from server.domain.message import Role
from server.domain.run import RunState


class ChatStream:
    """Translates the events of one run, in order.

    A run that a crash began again starts a second message: the second `start` voids the text before it, and `end` names
    the message that counts. A run that was interrupted or cancelled ends like any other: its partial text stays.
    """

    def __init__(self) -> None:
        self._message_id: MessageId | None = None

    def encode(self, shown: Shown) -> pb.StreamChatResponse | None:
        """What it is to a reader; `None` for what a chat does not show, and for the end of a failed run, which the
        caller of this has to turn into an error."""
        match shown:
            case Event():
                return self._encode_event(shown)
            case Draining(after=after):
                return pb.StreamChatResponse(draining=pb.StreamChatResponse.Draining(after_sequence=after))
        return None

    def _encode_event(self, event: Event) -> pb.StreamChatResponse | None:
        match event.payload:
            case TextDelta(text=text):
                return pb.StreamChatResponse(
                    sequence=event.sequence, content=pb.StreamChatResponse.Content(content=text)
                )
            case MessageStarted(message_id=message_id, role=Role.ASSISTANT):
                self._message_id = message_id
                return pb.StreamChatResponse(
                    sequence=event.sequence, start=pb.StreamChatResponse.Start(message_id=message_id)
                )
            case RunEnded(state=state) if state is not RunState.FAILED:
                # A run cancelled while it waited has no message: the id stays empty.
                return pb.StreamChatResponse(
                    sequence=event.sequence, end=pb.StreamChatResponse.End(message_id=self._message_id or "")
                )
        return None
