"""A person at a terminal: a program on a pseudo-terminal, what it shows, what is typed."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.e2e.service import environment

CTRL_C = "\x03"
CTRL_D = "\x04"
_PATIENCE_SECONDS = 40
_BEFORE_PRESSING_AGAIN_SECONDS = 10
_POLL_SECONDS = 0.01
# Makes standard input the controlling terminal, so that Ctrl-C reaches the program as a signal.
_ON_ITS_OWN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """The person's side."""

    def __init__(self, process: subprocess.Popen[bytes], controller: int) -> None:
        self.process = process
        self._controller = controller
        self._seen = ""
        self._read = 0

    def type(self, text: str) -> None:
        """Press keys. Ctrl-C goes to the program as a terminal sends it: a signal."""
        # A program that has just left has closed its side.
        with suppress(OSError):
            os.write(self._controller, text.encode())

    def wait_for(self, text: str) -> str:
        """Look until the text appears behind what was last waited for; returns what was shown up to its end."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (found := self._seen.find(text, self._read)) < 0:
            assert time.monotonic() < deadline, f"{text!r} never appeared:\n{self._seen}"
            assert self._look(), f"the program ended before {text!r} appeared:\n{self._seen}"
        shown = self._seen[self._read : found + len(text)]
        self._read = found + len(text)
        return shown

    def wait_for_end(self) -> int:
        """Wait until the program has left; returns its exit code."""
        assert self._ends_within(_PATIENCE_SECONDS), f"the program never ended:\n{self._seen}"
        return self.process.wait(timeout=_PATIENCE_SECONDS)

    def interrupt_until_end(self) -> int:
        """Press Ctrl-C at a prompt until the program leaves. Python misses one that comes in the moment before its line
        editor begins to wait, as it soon does once it has shown what was typed."""
        self.type("x")
        self.wait_for("x")
        self._wait_until_it_sleeps()
        self.type(CTRL_C)
        while not self._ends_within(_BEFORE_PRESSING_AGAIN_SECONDS):
            self.type(CTRL_C)
        return self.wait_for_end()

    def _wait_until_it_sleeps(self) -> None:
        """Look until the kernel says that the program waits for something; where it says nothing, do not."""
        told = Path(f"/proc/{self.process.pid}/stat")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while told.exists() and told.read_text().rpartition(")")[2].split()[0] != "S" and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _ends_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self._look():
                return True
        return False

    def _look(self) -> bool:
        """Read what there is, waiting a moment for it; False at the end."""
        ready, _, _ = select.select([self._controller], [], [], 1)
        if not ready:
            return True
        try:
            data = os.read(self._controller, 65536)
        except OSError:
            return False  # what Linux says when the other side is gone
        self._seen += data.decode(errors="replace")
        return bool(data)


@contextmanager
def terminal(command: Sequence[str]) -> Iterator[Terminal]:
    """Run a command on a terminal of its own for the length of a block."""
    controller, user = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_ITS_OWN_TERMINAL, *command],
        stdin=user,
        stdout=user,
        stderr=user,
        env=environment({"TERM": "dumb", "COLUMNS": "200"}),
        start_new_session=True,
    )
    os.close(user)
    try:
        yield Terminal(process, controller)
    finally:
        process.kill()
        process.wait()
        os.close(controller)
