"""What must hold between the store's ledger of tool calls and the books of the tools themselves."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tests.support.invariants import Rows


class Executed(Protocol):
    """A call as the tool's server wrote it down when it took effect."""

    @property
    def key(self) -> str | None:
        """The key that came with it: the call's id."""


def check_ledger(tool_calls: "Rows", executed: Iterable[Executed], *, forgotten: Collection[str] = ()) -> None:
    """Assert that nothing took effect that was not intended, and nothing twice that is not repeatable; that what is
    said to have succeeded took effect, and what is said never to have been called did not. `forgotten` are calls that
    went with their conversation: they took effect once at most."""
    times = Counter(call.key for call in executed)
    calls = {call["id"]: call for call in tool_calls}
    assert times.keys() <= {*calls, *forgotten}, "a tool was called for a call that nobody asked for"
    for call_id in forgotten:
        assert times[call_id] <= 1, f"call {call_id} took effect {times[call_id]} times"
    for call_id, call in calls.items():
        found, most = times[call_id], call["intents"] if call["repeatable"] else min(1, call["intents"])
        assert found <= most, f"call {call_id} took effect {found} times and was intended {call['intents']} times"
        succeeded = call["server"] is not None and call["state"] == "SUCCEEDED"
        assert found or not succeeded, f"call {call_id} succeeded, but never took effect"
