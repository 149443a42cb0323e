"""Failpoints: nothing happens at them unless the process was armed, and then once."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server.failpoint import FROM_VARIABLE, VARIABLE, failpoint, parse

PROGRAM = """
from server.failpoint import InjectedFault, failpoint
for number in range(1, 4):
    try:
        failpoint("step")
    except InjectedFault:
        print("raised", end=" ")
    print(number, end=" ", flush=True)
"""


def ran(arming: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = {VARIABLE: arming, **more}
    return subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=False)


def test_nothing_happens_at_a_step_of_an_unarmed_process() -> None:
    failpoint("step")
    assert ran("").stdout == "1 2 3 "
    assert ran("another=kill").stdout == "1 2 3 "


def test_an_armed_step_raises_the_one_time_that_is_meant() -> None:
    done = ran("step=raise@2")
    assert (done.stdout, done.stderr) == ("1 raised 2 3 ", "failpoint step: raise\n")


def test_steps_count_from_the_moment_at_which_a_file_appears(tmp_path: Path) -> None:
    start = tmp_path / "start"
    assert ran("step=raise", **{FROM_VARIABLE: str(start)}).stdout == "1 2 3 "
    start.touch()
    assert ran("step=raise", **{FROM_VARIABLE: str(start)}).stdout == "raised 1 2 3 "


def test_an_armed_step_kills_the_process_at_once() -> None:
    done = ran("another=raise,step=kill@2")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGKILL, "1 ", "failpoint step: kill\n")


@pytest.mark.parametrize("text", ["step", "step=explode", "step=kill@soon", "=kill@"])
def test_what_arms_nothing_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"FAILPOINTS|invalid literal"):
        parse(text)
