"""The steps at which faults come into tool calls."""

from typing import Final

from tests.faults.steps import QUEUE, Step

_OUTSIDE: Final = ("kill", "stop")
_UNKNOWN: Final = "UNKNOWN"

# The model asks for one call, of which a person is asked: commits that add to the log are, in this order, those of the
# message, the round and the pause; from the pause on those of the decision, the intent and the result.
_APPROVED: Final = (
    Step("calls-stored", "tool_calls.stored", phase="asking"),
    Step("calls-uncommitted", "store.committing", 2, phase="asking"),
    Step("calls-unpublished", "store.unpublished", 2, phase="asking"),
    Step("parking", "run.parking", phase="asking"),
    Step("park-uncommitted", "store.committing", 3, phase="asking"),
    Step("park-unpublished", "store.unpublished", 3, phase="asking"),
    Step("parked", phase="parked", faults=_OUTSIDE),
    Step("approval-uncommitted", "store.committing", phase="parked"),
    Step("approval-unpublished", "store.unpublished", phase="parked"),
    Step("approval-undispatched", "approval.committed", phase="parked"),
    Step("intent-uncommitted", "store.committing", 2, phase="parked"),
    Step("intent-unpublished", "store.unpublished", 2, phase="parked", outcome=_UNKNOWN),
    Step("intended", "tool.intent", phase="parked", outcome=_UNKNOWN),
    Step("calling", phase="calling", faults=_OUTSIDE, outcome=_UNKNOWN),
    Step("result-in", "tool.called", phase="parked", outcome=_UNKNOWN),
    Step("result-in-transaction", "tool.result", phase="parked", outcome=_UNKNOWN),
    Step("result-uncommitted", "store.committing", 3, phase="parked", outcome=_UNKNOWN),
    Step("result-unpublished", "store.unpublished", 3, phase="parked"),
    Step("result-stored", "tool.stored", phase="parked"),
    Step("next-model-call", "upstream.called", phase="parked"),
    Step("last-round", "run.ending", phase="parked"),
    Step("recovery-uncommitted", "recovery.claiming", phase="calling", in_recovery=True, outcome=_UNKNOWN),
    Step("recovery-unstarted", "recovery.claimed", phase="calling", in_recovery=True, outcome=_UNKNOWN),
    Step("recovery-settling", "tool.settling", phase="calling", in_recovery=True, outcome=_UNKNOWN),
)
# Nobody is asked, and the call may be made again.
_REPEATED: Final = (
    Step("intent-unpublished", "store.unpublished", 3, phase="asking", policies=QUEUE),
    Step("intended", "tool.intent", phase="asking", policies=QUEUE),
    Step("calling", phase="calling", faults=_OUTSIDE, policies=QUEUE),
    Step("result-in", "tool.called", phase="asking", policies=QUEUE),
    Step("result-in-transaction", "tool.result", phase="asking", policies=QUEUE),
    Step("result-uncommitted", "store.committing", 4, phase="asking", policies=QUEUE),
    Step("recovery-settling", "tool.settling", phase="calling", in_recovery=True, policies=QUEUE),
)


def _at_both(*steps: tuple[str, str], policies: tuple[str, ...]) -> tuple[Step, ...]:
    """Steps of an end that comes to a run while its call waits, and while it is made."""
    return tuple(
        Step(f"{phase}-{name}", failpoint, phase=phase, outcome=outcome, policies=policies)
        for phase, outcome in (("parked", "CLOSED"), ("calling", _UNKNOWN))
        for name, failpoint in steps
    )


TOOL_STEPS: Final = {
    "tool": _APPROVED,
    "repeat": _REPEATED,
    "tool-interrupt": _at_both(
        ("uncommitted", "store.committing"), ("unacknowledged", "send.committed"), policies=("INTERRUPT",)
    ),
    "tool-cancel": _at_both(
        ("ended", "cancel.cut_off"),
        ("uncommitted", "store.committing"),
        ("unacknowledged", "cancel.committed"),
        policies=QUEUE,
    ),
    "tool-delete": _at_both(
        ("deleting", "deletion.deleting"), ("unacknowledged", "deletion.committed"), policies=QUEUE
    ),
    "tool-drain": (
        Step("parked-begun", "drain.begun", phase="parked", policies=QUEUE),
        Step("calling-begun", "drain.begun", phase="calling", faults=_OUTSIDE, outcome=_UNKNOWN, policies=QUEUE),
        Step("calling-handing-back", "run.handing_back", phase="calling", outcome=_UNKNOWN, policies=QUEUE),
        Step("calling-handed-back", "run.handed_back", phase="calling", outcome=_UNKNOWN, policies=QUEUE),
    ),
    "client": (
        Step("parked", phase="parked", faults=_OUTSIDE, policies=QUEUE),
        Step("result-uncommitted", "store.committing", phase="parked", policies=QUEUE),
        Step("result-unpublished", "store.unpublished", phase="parked", policies=QUEUE),
        Step("result-undispatched", "approval.committed", phase="parked", policies=QUEUE),
    ),
    "expiry": (
        Step("down-meanwhile", phase="parked", faults=("kill",), outcome="EXPIRED", policies=QUEUE),
        Step("lapsing", "expiry.lapsing", phase="parked", outcome="EXPIRED", policies=QUEUE),
        Step("lapsed-undispatched", "expiry.lapsed", phase="parked", outcome="EXPIRED", policies=QUEUE),
    ),
}
"""By the act into which the fault comes."""
