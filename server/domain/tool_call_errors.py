"""Facts about tool calls that make a call of the service fail."""

from server.domain.errors import NotFound, ParleyError


class ToolCallNotFound(NotFound):
    """The conversation has no tool call of that id."""

    reason = "TOOL_CALL_NOT_FOUND"

    def __init__(self, call: str) -> None:
        super().__init__(f"no tool call {call!r}", metadata={"id": call})


class ToolCallAlreadyDecided(ParleyError):
    """The tool call does not wait for a decision."""

    reason = "TOOL_CALL_DECIDED"

    def __init__(self, call: str, state: str) -> None:
        super().__init__(
            f"the tool call {call!r} does not wait for a decision: it is {state}",
            metadata={"id": call, "state": state},
        )


class ToolCallAlreadyEnded(ParleyError):
    """The tool call does not wait for its client."""

    reason = "TOOL_CALL_ENDED"

    def __init__(self, call: str, state: str) -> None:
        super().__init__(
            f"nobody waits for a result of the tool call {call!r}: it is {state}",
            metadata={"id": call, "state": state},
        )


class RunAwaitsDecision(ParleyError):
    """The run that a call waited for waits itself."""

    reason = "RUN_AWAITS_DECISION"

    def __init__(self, run: str, state: str) -> None:
        super().__init__(
            f"the answer waits for a decision or a result that only you can give: the run {run} is {state}; "
            "it goes on when it has been given, and its answer will be in the conversation",
            metadata={"run_id": run, "status": state},
        )
