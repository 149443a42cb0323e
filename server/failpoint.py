"""Marks the steps at which the fault tests kill, stop or fail a process. Nothing happens at them otherwise.

`FAILPOINTS` arms them for the length of a process: `NAME=ACTION[@HIT]`, several separated by commas, with an action of
`kill` (SIGKILL to this process), `stop` (SIGSTOP) or `raise` (`InjectedFault`), at the HIT-th time that the step is
reached, from 1, and only then. Until a file appears that `FAILPOINTS_FROM` names, no step counts. The variables are no
settings of the service: only tests set them.
"""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

VARIABLE: Final = "FAILPOINTS"
FROM_VARIABLE: Final = "FAILPOINTS_FROM"


class InjectedFault(Exception):
    """What an armed failpoint raises: a defect that no code expects."""


@dataclass(slots=True)
class _Trap:
    """One armed failpoint."""

    action: str
    hit: int
    reached: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_due(self) -> bool:
        """Whether this is the time to act; steps may be reached on several threads."""
        with self.lock:
            self.reached += 1
            return self.reached == self.hit


def failpoint(name: str) -> None:
    """Mark a step. Costs a call and the look at an empty dictionary unless a test has armed the process."""
    if _ARMED:
        _reach(name)


def parse(text: str) -> dict[str, _Trap]:
    """What the variable's text arms, by name. Raises `ValueError`."""
    traps = {}
    for part in filter(None, text.split(",")):
        name, equals, rest = part.partition("=")
        action, _, hit = rest.partition("@")
        if not name or not equals or action not in _ACTIONS:
            raise ValueError(f"{VARIABLE}: {part!r} is no NAME=ACTION[@HIT] with one of {sorted(_ACTIONS)}")
        traps[name] = _Trap(action, int(hit or 1))
    return traps


def _reach(name: str) -> None:
    trap = _ARMED.get(name)
    if trap is not None and _counts() and trap.is_due():
        # To the descriptor itself, for nothing that is buffered outlives what follows.
        os.write(2, f"failpoint {name}: {trap.action}\n".encode())
        _ACTIONS[trap.action]()


def _counts() -> bool:
    """Whether steps count yet."""
    start = os.environ.get(FROM_VARIABLE)
    return start is None or Path(start).exists()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    # To this very thread: another one would take the signal a moment later, and this one go on until then.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def _raise() -> None:
    raise InjectedFault


_ACTIONS: Final[Mapping[str, Callable[[], None]]] = {"kill": _kill, "stop": _stop, "raise": _raise}
_ARMED: Final = parse(os.environ.get(VARIABLE, ""))
