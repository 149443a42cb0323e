"""Starts `parley serve` processes in a fraction of the time: forked off a process that has imported everything already.

What is forked has opened nothing yet: no loop, no thread, no connection, and its gRPC is not initialised. From there on
it is the command itself, in a process, session, environment and log of its own.

    nursery = Nursery()
    process = nursery.serve(["--data", …], env={…}, log=path)     # as subprocess.Popen has it: pid, poll(), wait(), …
    nursery.close()
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

_POLL_SECONDS: Final = 0.02


class ForkedProcess:
    """One server process. Its parent is the nursery, so that is who knows how it ended."""

    def __init__(self, nursery: "Nursery", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery

    def poll(self) -> int | None:
        """How it ended: the exit code, or the number of a signal below zero; `None` while it lives."""
        if self.returncode is None:
            self.returncode = self._nursery.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises `subprocess.TimeoutExpired`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("parley serve", timeout or 0)
            time.sleep(_POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that forks. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"},
            text=True,
        )

    def serve(self, arguments: Sequence[str], *, env: Mapping[str, str], log: Path) -> ForkedProcess:
        """Fork a `parley serve` with these arguments and exactly this environment; both its streams go to `log`."""
        order = {"arguments": list(arguments), "env": dict(env), "log": str(log), "cwd": str(Path.cwd())}
        return ForkedProcess(self, self.ask(order))

    def ask(self, order: Mapping[str, Any]) -> Any:
        """Give an order and hear the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it; servers that still live are killed."""
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()


@cache
def shared_nursery() -> Nursery:
    """The one of this process, begun when it is first needed and ended with the process."""
    made = Nursery()
    atexit.register(made.close)
    return made


def _main() -> None:
    import server.cli.serve
    import server.failpoint

    del server
    children: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        if "poll" in order:
            answer = _ended(order["poll"], children)
        else:
            answer = os.fork()
            if answer == 0:
                _serve(order)
            children.add(answer)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for child in children:
        os.kill(child, signal.SIGKILL)


def _ended(pid: int, children: set[int]) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    if found == 0:
        return None
    children.discard(pid)
    return os.waitstatus_to_exitcode(status)


def _serve(order: Mapping[str, Any]) -> None:
    """In the child: become the command. Never returns."""
    code = 70
    try:
        os.setsid()
        os.chdir(order["cwd"])
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        # Into a file, and so by default as late as can be; tests read what was printed.
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a real stream it is
        os.environ.clear()
        os.environ.update(order["env"])
        sys.argv = ["parley", "serve", *order["arguments"]]
        import random

        from server import failpoint
        from server.__main__ import main

        random.seed()
        failpoint._ARMED.update(failpoint.parse(os.environ.get(failpoint.VARIABLE, "")))
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _main()
