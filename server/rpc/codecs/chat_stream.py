"""The `start`, `content` and `end` of `StreamChat`, made from the events of its run."""

from parley.conversations.v1 import conversations_pb2 as pb

from server.domain.events import Draining, Event, MessageStarted, RunEnded, Shown, TextDelta
from server.domain.ids import MessageId
from server.domain.message import Role
from server.domain.run import Run, RunState
from server.rpc.codecs.event_id import encode_event_id, encode_place


class ChatStream:
    """Translates the events of one run, from its first on and in order.

    A run that a crash began again starts a second message: the second `start` voids the text before it, and `end` names
    the message that counts. A run that was interrupted or cancelled ends like any other: its partial text stays.
    """

    def __init__(self, run: Run, *, after: int) -> None:
        """`after`: the place in the conversation's log up to which the reader has seen the run."""
        self._run = run
        self._after = after
        self._message_id: MessageId | None = None

    def encode(self, shown: Shown) -> pb.StreamChatResponse | None:
        """What it is to a reader; `None` for what a chat does not show or the reader has seen already, and for the
        end of a failed run, which the caller of this has to turn into an error."""
        match shown:
            case Draining(after=after):
                warning = pb.StreamChatResponse.Draining(after_sequence=after)
                return pb.StreamChatResponse(id=encode_place(self._run, after), draining=warning)
            case Event():
                encoded = self._encode_event(shown)
                if encoded is None or self._was_seen(shown):
                    return None
                encoded.sequence, encoded.id = shown.sequence, encode_event_id(self._run.id, shown)
                return encoded
        return None

    def _was_seen(self, event: Event) -> bool:
        """Whether to leave an event out; `end` never is: no stream is without one."""
        return event.sequence <= self._after and not isinstance(event.payload, RunEnded)

    def _encode_event(self, event: Event) -> pb.StreamChatResponse | None:
        match event.payload:
            case TextDelta(text=text):
                return pb.StreamChatResponse(content=pb.StreamChatResponse.Content(content=text))
            case MessageStarted(message_id=message_id, role=Role.ASSISTANT):
                self._message_id = message_id
                return pb.StreamChatResponse(start=pb.StreamChatResponse.Start(message_id=message_id))
            case RunEnded(state=state) if state is not RunState.FAILED:
                # A run cancelled while it waited has no message: the id stays empty.
                return pb.StreamChatResponse(end=pb.StreamChatResponse.End(message_id=self._message_id or ""))
        return None
