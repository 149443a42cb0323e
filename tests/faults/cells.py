"""The cells of the kill matrix: a step, what happens there, on which store, under which policy."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from tests.faults.steps import QUEUE, Step
from tests.faults.tool_cells import TOOL_STEPS

STORES: Final = ("sqlite", "postgres")


# The script of such a cell makes these counts certain: every commit that adds to the log is one of, in this order, the
# first message's, its answer's first delta's, the second message's, the next delta's, the last one's.
_SENDS: Final = (
    Step("request-parsed", "send.parsed", 2),
    Step("message-in-run-not", "send.message_stored", 2),
    Step("send-uncommitted", "store.committing", 3),
    Step("send-unpublished", "store.unpublished", 3),
    Step("send-unacknowledged", "send.committed", 2),
    Step("claimed", "run.claimed", 2),
    Step("upstream-called", "upstream.called", 2),
    Step("delta-received", "run.delta_received", 2),
    Step("delta-uncommitted", "store.committing", 2),
    Step("delta-unpublished", "store.unpublished", 2),
    Step("last-delta-in", "run.last_delta"),
    Step("in-final-transaction", "run.ending"),
    Step("final-uncommitted", "store.committing", 5),
    Step("final-unpublished", "store.unpublished", 5),
    Step("ended-next-not-started", "run.ended"),
    Step("lease-renewing", "lease.renewing", at_any_time=True),
    Step("lease-renewed", "lease.renewed", at_any_time=True),
    Step("recovery-uncommitted", "recovery.claiming", in_recovery=True),
    Step("recovery-unstarted", "recovery.claimed", in_recovery=True),
)
# In all others steps count from the act on.
_REVISION: Final = (
    Step("parsed", "send.parsed"),
    Step("branched", "branch.started"),
    Step("message-in-run-not", "send.message_stored"),
    Step("uncommitted", "store.committing"),
    Step("unpublished", "store.unpublished"),
    Step("unacknowledged", "send.committed"),
    Step("delta-uncommitted", "store.committing", 2),
    Step("in-final-transaction", "run.ending"),
)
_CANCELLATION: Final = (
    Step("parsed", "cancel.parsed"),
    Step("ended-next-not-claimed", "cancel.cut_off"),
    Step("uncommitted", "store.committing"),
    Step("unpublished", "store.unpublished"),
    Step("unacknowledged", "cancel.committed"),
)
_WITHDRAWAL: Final = (
    Step("uncommitted", "store.committing", policies=QUEUE),
    Step("unacknowledged", "cancel.committed", policies=QUEUE),
)
_DRAIN: Final = (
    Step("begun", "drain.begun"),
    Step("in-final-transaction", "run.ending"),
    Step("run-ended", "run.ended"),
    Step("handing-back", "run.handing_back"),
    Step("handed-back", "run.handed_back"),
)
_CACHE: Final = (
    Step("leading", "cache.leading", policies=QUEUE),
    Step("waiting", "cache.waiting", policies=QUEUE),
    Step("storing", "cache.storing", policies=QUEUE),
    Step("stored", "cache.stored", policies=QUEUE),
)
STEPS: Final = {
    "send": _SENDS,
    "edit": _REVISION,
    "regenerate": _REVISION,
    "cancel": _CANCELLATION,
    "withdraw": _WITHDRAWAL,
    "drain": _DRAIN,
    "cache": _CACHE,
    **TOOL_STEPS,
}
"""By the act into which the fault comes."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. Its name, `[ACT-]STEP.FAULT.STORE.POLICY`, plays it alone: `pytest -k NAME -m ''`."""

    act: str
    step: Step
    fault: str
    store: str
    policy: str

    @property
    def name(self) -> str:
        """What reports call it."""
        act = "" if self.act == "send" else f"{self.act}-"
        return f"{act}{self.step.name}.{self.fault}.{self.store}.{self.policy}"

    @property
    def failpoints(self) -> str:
        """What arms the process that is to fail."""
        step = self.step
        return f"{step.failpoint}={self.fault}@{step.hit}" if step.failpoint else ""


def cells() -> Iterator[Cell]:
    """All of them."""
    for act, steps in STEPS.items():
        for step in steps:
            for fault, store, policy in product(step.faults, STORES, step.policies):
                yield Cell(act, step, fault, store, policy)


REPRESENTATIVE: Final = frozenset(
    {
        "send-unacknowledged.kill.sqlite.QUEUE",
        "delta-unpublished.kill.postgres.INTERRUPT",
        "in-final-transaction.kill.sqlite.INTERRUPT",
        "delta-received.stop.sqlite.QUEUE",
        "in-final-transaction.stop.postgres.QUEUE",
        "final-unpublished.raise.sqlite.QUEUE",
        "recovery-unstarted.kill.postgres.QUEUE",
        "edit-unpublished.kill.sqlite.INTERRUPT",
        "cancel-unacknowledged.kill.sqlite.QUEUE",
        "drain-handing-back.kill.sqlite.QUEUE",
        "cache-storing.kill.sqlite.QUEUE",
        "tool-parked.kill.postgres.INTERRUPT",
        "tool-result-in.kill.sqlite.QUEUE",
        "repeat-calling.kill.sqlite.QUEUE",
        "client-parked.kill.sqlite.QUEUE",
        "tool-cancel-calling-ended.kill.sqlite.QUEUE",
        "expiry-down-meanwhile.kill.sqlite.QUEUE",
    }
)
"""What every `make test` plays: each act and fault, each store, each policy, a second kill."""
