"""Processes under measurement: put on one core, started, asked for their CPU time, and surely ended."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.e2e.service import environment

_START_SECONDS = 40
_STOP_SECONDS = 10
_POLL_SECONDS = 0.02
_CPU_CLOCK_OF_A_PROCESS = 2  # CPUCLOCK_SCHED of Linux


class CouldNotStart(Exception):
    """A process that did not come up; the text has what it printed."""


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time that these processes have used since they began, all threads, in nanosecond steps.

    It reads the kernel's CPU-time clock of each process, as `clock_getcpuclockid(3)` names it; `/proc/PID/stat` has the
    same figure in steps of 10 ms.
    """
    return sum(time.clock_gettime((~pid << 3) | _CPU_CLOCK_OF_A_PROCESS) for pid in pids)


@contextmanager
def one_core() -> Iterator[None]:
    """Run this process, and whatever it starts meanwhile, on one core.

    A call that wakes a process on another core is charged for waking the core as well. On a virtual machine that is a
    trip through the hypervisor: the constant reply took from 97 to 260 us across two idle cores, from 35 to 41 on one
    or when something else kept both awake. An otherwise idle machine was the noisiest.
    """
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@contextmanager
def announced(command: Sequence[str | Path]) -> Iterator[tuple[int, str]]:
    """A process for the length of a block; gives its id and the first line that it prints on standard output.

    Raises `CouldNotStart` when it ends first, or says nothing for too long.
    """
    with tempfile.TemporaryFile("w+") as log, started(command, stdout=subprocess.PIPE, stderr=log.fileno()) as process:
        line = _first_line(process)
        if not line:
            log.seek(0)
            raise CouldNotStart(f"{command[0]} did not start:\n{log.read()}")
        yield process.pid, line.strip()


@contextmanager
def started(
    command: Sequence[str | Path], *, stdout: int, stderr: int, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process for the length of a block: asked to end after it, killed if it does not."""
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        env=environment(env),
    )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def serving(
    module: str, data: Path, *more: str | Path, env: Mapping[str, str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """`python -m MODULE serve` on free ports for the length of a block; gives its process id and its addresses.
    `more` are further arguments, `env` further variables.

    Raises `CouldNotStart`.
    """
    words = (sys.executable, "-m", module, "serve", "--data", data, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    with (
        tempfile.TemporaryFile("w+") as log,
        started((*words, *more), stdout=log.fileno(), stderr=subprocess.STDOUT, env=env) as process,
    ):
        addresses = data / "addresses.json"
        if not comes(addresses.exists, process, _START_SECONDS):
            log.seek(0)
            raise CouldNotStart(f"{module} did not start:\n{log.read()}")
        yield process.pid, json.loads(addresses.read_text())


def comes(is_there: Callable[[], bool], process: subprocess.Popen[str], seconds: float) -> bool:
    """Wait for what a process brings about; False when it ends without, or takes longer."""
    deadline = time.monotonic() + seconds
    while not is_there():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
    return process.stdout.readline() if ready else ""
