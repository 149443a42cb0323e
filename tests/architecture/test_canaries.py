"""The watch over secrets hears every channel: a suite that leaks into each of them fails, and for that."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parents[2]
_SECONDS: Final = 170
_REPORTED: Final = re.compile(r"^(PASSED|ERROR) \S+::(test_\w+)", re.MULTILINE)

_SUITE: Final = """
import asyncio, logging
from datetime import UTC, datetime
from pathlib import Path

import httpx, pytest, structlog

from gateway.core.connect.errors import ConnectErrorWriter
from gateway.core.problem import Problem
from gateway.core.status import Code
from prometheus_client import Gauge
from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.application.keys import KeyFactory
from server.domain.conversation import Conversation
from server.domain.errors import ParleyError, UnknownModel
from server.domain.events import RunEnded
from server.domain.key import KeyEnvironment, KeyStyle
from server.domain.run import RunState
from server.rpc import logs, status
from server.rpc.metrics import Metrics
from tests.contract.store.builders import ALICE, conversation, message, stored
from tests.support.canaries.marks import canary
from tests.support.canaries.plugin import EARS

CONTENT = "what was said between these two"


async def in_store(folder, work):
    async with open_store(f"sqlite+aiosqlite:///{folder / 'a.db'}", feed=LocalFeed()) as store:
        talk = conversation("talk")
        await stored(store, talk)
        await store.write(ALICE, lambda tx: work(tx, talk))


def page(path, code, text):
    head = {"content-security-policy": "x"}
    transport = httpx.MockTransport(lambda _: httpx.Response(code, text=text, headers=head))
    with httpx.Client(transport=transport, base_url="http://there") as client:
        client.get(path)


def test_leak_structlog():
    structlog.get_logger().debug("noted", value=canary("provider-key"))


def test_leak_structlog_bound():
    structlog.get_logger().bind(value=canary("provider-key")).info("noted")


def test_leak_structlog_object():
    class Shown:
        def __repr__(self):
            return canary("provider-key")
    structlog.get_logger().warning("noted", value=[Shown()])


def test_leak_logging():
    logging.getLogger("library").warning("connecting to %s", canary("database-password"))


def test_leak_key():
    text = KeyFactory(b"pepper of enough bytes").make(KeyStyle.SECRET, KeyEnvironment.LIVE)
    logging.getLogger("library").warning("called with %s", text)


def test_leak_archive_key():
    text = KeyFactory(b"pepper of enough bytes").make(KeyStyle.ARCHIVE, KeyEnvironment.LIVE)
    structlog.get_logger().info("call", key=text)


def test_leak_token():
    structlog.get_logger().info("call", token="eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl")


def test_leak_status():
    status.status_of(UnknownModel(canary("prompt")), request_id="r")


def test_leak_status_detail():
    error = UnknownModel("m")
    error.metadata["model"] = canary("prompt")
    error.message = "no such model"
    status.status_of(error, request_id="r")


def test_leak_connect_error():
    ConnectErrorWriter(authenticate_scheme="Bearer").write(Problem(Code.INTERNAL, canary("prompt")))


def test_leak_error_of_a_process():
    page("/x", 500, canary("prompt"))


def test_leak_metrics():
    metrics = Metrics()
    Gauge("a", "b", ("c",), registry=metrics.registry).labels(canary("prompt")).set(1)
    metrics.render()


def test_leak_metrics_of_a_process():
    page("/metrics", 200, canary("prompt"))


async def test_leak_event(tmp_path):
    ended = RunEnded(RunState.FAILED, "PROVIDER_REJECTED_REQUEST", f"It says: {canary('provider-key')}")
    await in_store(tmp_path, lambda tx, talk: tx.events.append(talk.id, [ended], now=datetime.now(UTC)))


def test_leak_process(tmp_path):
    EARS.read(tmp_path / "log")
    (tmp_path / "log").write_text("started with " + canary("database-password"))


async def test_leak_content_in_the_log(tmp_path):
    await in_store(tmp_path, lambda tx, talk: tx.messages.append(message(talk, content=CONTENT)))
    structlog.get_logger().info("stored", what=f"<{CONTENT}>")


async def test_leak_content_in_an_error(tmp_path):
    status.status_of(UnknownModel(CONTENT), request_id="r")
    await in_store(tmp_path, lambda tx, talk: tx.messages.append(message(talk, content=CONTENT)))


async def test_clean_content_where_it_belongs(tmp_path):
    await in_store(tmp_path, lambda tx, talk: tx.messages.append(message(talk, content=CONTENT)))
    structlog.get_logger().info("stored", characters=len(CONTENT))


def test_clean_pages():
    page("/conversation", 200, canary("prompt"))
    Metrics().render()


def test_clean_traceback():
    try:
        raise ValueError(canary("prompt"))
    except ValueError:
        structlog.get_logger().exception("it failed")
        logging.getLogger("library").exception("it failed")


def test_clean_process(tmp_path):
    secret = canary("development-key")
    EARS.read(tmp_path / "log", shown=lambda: secret)
    (tmp_path / "log").write_text("Your key: " + secret)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Of each test of a suite that leaks, whether it failed once it was over."""
    folder = tmp_path_factory.mktemp("leaking")
    (folder / "test_leaking.py").write_text(_SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.canaries.plugin", "-p", "no:cacheprovider"]
    command += ["-rA", "--tb=no", "--show-capture=no", "--import-mode=importlib", "-o", "asyncio_mode=auto"]
    paths = os.pathsep.join([str(_ROOT), str(_ROOT / "generated")])
    done = subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert "FAILED" not in done.stdout, done.stdout
    reported = _REPORTED.findall(done.stdout)
    caught = {name for outcome, name in reported if outcome == "ERROR"}
    return {name: name in caught for _, name in reported}


@pytest.mark.timeout(180)  # of which it needs a few, where nothing else runs
def test_what_leaks_is_caught_and_what_does_not_is_not(outcomes: dict[str, bool]) -> None:
    wanted = {line.split("(")[0].split()[-1] for line in _SUITE.splitlines() if "def test_" in line}
    assert outcomes == {name: name.startswith("test_leak_") for name in wanted}
