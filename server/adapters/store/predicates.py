"""The predicates of partial indices. SQLite uses such an index only for a query that repeats its text."""

from enum import StrEnum
from typing import Final

from server.domain.erasure import ErasureState
from server.domain.run import ACTIVE_STATES, PARKED_STATES, RunState
from server.domain.tool import OPEN_STATES, ApprovalState, ToolCallState


def _state_in(*states: StrEnum) -> str:
    return "state IN ({})".format(", ".join(f"'{state}'" for state in sorted(states)))


IS_ACTIVE: Final = _state_in(*ACTIVE_STATES)
IS_PARKED: Final = _state_in(*PARKED_STATES)
IS_RUNNING: Final = f"state = '{RunState.RUNNING}'"
IS_QUEUED: Final = f"state = '{RunState.QUEUED}'"
IS_WAITING: Final = "status = 'QUEUED'"
IS_OPEN: Final = _state_in(*OPEN_STATES)
IS_AWAITED: Final = _state_in(ToolCallState.AWAITING_APPROVAL, ToolCallState.AWAITING_CLIENT)
IS_NOT_WARNED_OF: Final = f"{IS_AWAITED} AND warned = 0"
IS_PENDING: Final = f"state = '{ApprovalState.PENDING}'"
GRAVE: Final = " buried"
"""Owner of conversations that are being deleted: no user's name, for those neither begin nor end with a space."""
IS_BURIED: Final = f"owner = '{GRAVE}'"
HAS_ACTOR: Final = "actor IS NOT NULL"
IS_DECIDED: Final = "decided_by IS NOT NULL"
IS_UNDER_WAY: Final = f"state = '{ErasureState.UNDER_WAY}'"
HAS_RUN: Final = "run_id IS NOT NULL"
IS_OF_CONVERSATION: Final = "conversation_id IS NOT NULL"
HAS_BRANCH: Final = "branch IS NOT NULL"
IS_UNPUBLISHED: Final = "unpublished = 1"
IS_UNTOLD: Final = "untold = 1"
"""Of an event: webhooks are to be told of it, and nothing is queued for them yet."""
IS_WANTED: Final = "event_publisher.name = 'events'"
"""Of the row that says that somebody publishes events: it is the only one of that name."""
IS_ASIDE: Final = "(role = 'tool' OR (tool_calls IS NOT NULL AND content = ''))"
"""Of a message: it passed between the model and its tools, and says nothing to people."""
