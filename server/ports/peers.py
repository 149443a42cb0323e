"""What a process hears of the others that work on the same store."""

from typing import Protocol

from server.domain.ids import ConversationId


class Peers(Protocol):
    """Told by the store, on the running loop, of what other processes have committed. News may be late, doubled or
    lost: whoever acts on them looks in the store, and looks there from time to time without any. None of the methods
    blocks or fails."""

    def events_stored(self, conversation_id: ConversationId) -> None:
        """The log of a conversation has grown."""
        ...

    def run_ended(self, conversation_id: ConversationId) -> None:
        """A run of the conversation was ended, perhaps one that this process executes."""
        ...

    def work_left(self) -> None:
        """A run was given back: whoever has a worker may claim it."""
        ...

    def news_lost(self) -> None:
        """Any of these may have happened unheard."""
        ...
