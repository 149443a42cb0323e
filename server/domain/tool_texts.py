"""What a model is told in place of a tool's result. Short sentences that say what happened and what did not."""

from typing import Final

from server.domain.tool import ToolCallState, ToolInvocation

CUT: Final = (
    "This tool call was not made: the answer that asked for it was cut off at its limit, so its arguments may be "
    "incomplete. Ask again, in a shorter answer."
)
FORBIDDEN: Final = "This tool call was not made: the operator of this service does not permit this tool."
EXPIRED: Final = (
    "This tool call was not made: nobody decided in time whether it may be. That is no denial by the user; "
    "say that it was not done, and ask for it again only when the user still wants it."
)
UNANSWERED: Final = "The client returned no result of this tool call in time. Whether it did anything is unknown."
OUTCOME_UNKNOWN: Final = (
    "This tool was called, and what became of it is unknown: it may have taken effect or not. "
    "It was not called again. Do not assume either; check before you ask for it again."
)
CLOSED: Final = "This tool call was not made: the answer that asked for it was ended before."
CLOSED_CLIENT: Final = "The client returned no result of this tool call: the answer that asked for it was ended before."


def too_many(most: int) -> str:
    """More calls in one answer than are made."""
    return f"This tool call was not made: an answer may ask for {most} at once, and this one asked for more."


def unknown_tool(name: str) -> str:
    """There is no such tool."""
    said = f"there is no tool called {name[:_NAME_CHARACTERS]!r}" if name else "it names no tool"
    return f"This tool call was not made: {said}. Ask only for the tools that are offered."


def not_made(why: str) -> str:
    """Anything else that kept it from being made."""
    return f"This tool call was not made: {why}"


def denied(reason: str | None) -> str:
    """A person said no."""
    because = f" Reason: {reason}" if reason else ""
    return f"This tool call was not made: the user denied it.{because}"


def unknown_because(why: str) -> str:
    """It was made, and no answer came, for a reason that is known."""
    return f"{OUTCOME_UNKNOWN} Cause: {why}"


def error(text: str) -> str:
    """What a tool says of its own failure."""
    return f"The tool reported an error: {text}" if text else "The tool reported an error, and not which."


def ended_with_run(call: ToolInvocation) -> str:
    """Its run is over before it has another result."""
    if call.state is ToolCallState.RUNNING:
        return OUTCOME_UNKNOWN
    return CLOSED_CLIENT if call.state is ToolCallState.AWAITING_CLIENT else CLOSED


def lapsed(call: ToolInvocation) -> str:
    """Nobody decided, or no client answered, in time."""
    return UNANSWERED if call.state is ToolCallState.AWAITING_CLIENT else EXPIRED


_NAME_CHARACTERS: Final = 64
