"""The bot's program before there is a session: what it says, and with which status it ends. Needs nothing installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.adapters.voice.link import Failed, Leave, Left, ToServer, decode_to_server, encode
from tests.unit.voice.test_link import SECRETS, START

_REPOSITORY = Path(__file__).parents[3]
_WITHOUT_EXTRA = """
import runpy, sys
sys.modules.update(dict.fromkeys(("pipecat", "loguru", "daily", "openai")))
runpy.run_module("server.adapters.voice.bot", run_name="__main__")
"""


def run(lines: bytes) -> tuple[list[ToServer], int, str]:
    """What the program says to these lines, its exit status and its log."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_EXTRA],
        input=lines,
        cwd=_REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
        capture_output=True,
        timeout=50,
        check=False,
    )
    return [decode_to_server(line) for line in done.stdout.splitlines()], done.returncode, done.stderr.decode()


def test_a_service_without_voice_starts_without_what_speaks_to_bots() -> None:
    asked = "import sys, server.bootstrap.service; sys.exit('server.adapters.voice.link' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": f"{_REPOSITORY}{os.pathsep}{_REPOSITORY / 'generated'}"}
    assert subprocess.run([sys.executable, "-c", asked], env=environment, timeout=50, check=False).returncode == 0


def test_a_server_that_is_gone_before_it_began_wants_nothing() -> None:
    assert run(b"")[:2] == ([Left(reason="LEAVE")], 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (encode(Leave()), "the first line is no start"),
        (encode(START).replace(b'"bot_name":"Parley"', b'"bot_name":7'), "start.bot_name: string_type"),
        (b"hello\n", "line: json_invalid"),
    ],
)
def test_whatever_is_no_start_is_refused(line: bytes, message: str) -> None:
    assert run(line)[:2] == ([Failed(reason="BAD_START", message=message)], 1)


def test_without_the_extra_it_says_so_and_tells_no_secret() -> None:
    messages, status, log = run(encode(START))
    assert messages == [Failed(reason="NOT_INSTALLED", message="the extra `voice` is not installed: loguru is missing")]
    assert status == 1
    assert [secret for secret in SECRETS if secret in log] == []
