"""Facts about histories and their branches that make a call fail; see `errors`."""

from server.domain.errors import NotFound, ParleyError


class MessageNotFound(NotFound):
    """The conversation has no message of that id, or, asked for without an id, no user message at all."""

    reason = "MESSAGE_NOT_FOUND"

    def __init__(self, message: str | None) -> None:
        name = "user message" if message is None else f"message {message!r}"
        super().__init__(f"no {name} in this conversation", metadata={} if message is None else {"id": message})


class BranchNotFound(NotFound):
    """The conversation has no branch of that number."""

    reason = "BRANCH_NOT_FOUND"

    def __init__(self, branch: int) -> None:
        super().__init__(f"no branch {branch} in this conversation", metadata={"branch": str(branch)})


class MessageNotInHistory(ParleyError):
    """The message waits in the queue, or was withdrawn from it: there is no history up to it."""

    reason = "MESSAGE_NOT_IN_HISTORY"

    def __init__(self, message: str) -> None:
        super().__init__(
            f"message {message!r} is not part of the history; cancel its run and send another", metadata={"id": message}
        )


class RunActive(ParleyError):
    """A run is active or waits, and may not be ended for this."""

    reason = "RUN_ACTIVE"

    def __init__(self) -> None:
        super().__init__(
            "a run of this conversation is active or waits; ask again when it is over, cancel it, "
            "or ask with the interrupt policy INTERRUPT where the method takes one"
        )


class AnswerNotFound(NotFound):
    """No run of a message had begun by an event that is said to be the last one seen of its answer."""

    reason = "RUN_NOT_FOUND"

    def __init__(self, *, seen: int) -> None:
        super().__init__(
            f"no run of this message had begun by the event {seen}", metadata={"after_sequence": str(seen)}
        )
