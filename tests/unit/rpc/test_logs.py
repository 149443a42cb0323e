"""Logging: one way out for everybody, and no value of a variable in it."""

import io
import logging
from collections.abc import Iterator

import orjson
import pytest
import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # where alone the error has a name

from server.domain.ids import KeyId
from server.domain.principal import Owner, Principal
from server.rpc import logs
from server.rpc.interceptors.call import Call, enter
from server.rpc.interceptors.greeting import Greeting

SECRET = "sk_live_secret"


class Terminal(io.StringIO):
    """A stream that a person watches."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    yield
    structlog.configure(**before)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def _fail() -> None:
    local = SECRET
    raise ValueError(f"{local} is no number")


def _log_everything(stream: io.StringIO, level: str = "info") -> str:
    logs.configure(level, stream)
    log = structlog.get_logger()
    enter(Call(Greeting("q-1"), Principal(Owner("acme", "anna"), frozenset(), KeyId("k"))))
    log.debug("too quiet")
    log.info("call", method="m", ms=0.25)
    try:
        _fail()
    except ValueError as error:
        log.exception("it failed", exc_info=error)
        logging.getLogger("library").exception("theirs failed %s", "too")
    logging.getLogger("library").info("chatter")
    return stream.getvalue()


def test_a_machine_reads_one_json_object_a_line() -> None:
    lines = [orjson.loads(line) for line in _log_everything(io.StringIO()).splitlines()]
    assert [line["event"] for line in lines] == ["call", "it failed", "theirs failed too"]
    assert all(line["request_id"] == "q-1" and line["timestamp"].endswith("Z") for line in lines)
    assert [line["level"] for line in lines] == ["info", "error", "error"]
    assert (lines[0]["method"], lines[0]["ms"], lines[2]["logger"]) == ("m", 0.25, "library")


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_tracebacks_show_neither_variables_nor_texts(stream: type[io.StringIO]) -> None:
    text = _log_everything(stream())
    assert text.count("ValueError") == 4  # the line that raised it, and what it is, twice
    assert SECRET not in text


def test_what_asyncio_says_of_a_failed_task_ends_before_the_task() -> None:
    stream = io.StringIO()
    logs.configure("info", stream)
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task exception=%r>", SECRET)
    (line,) = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    assert line["event"] == "Task exception was never retrieved"


def test_a_person_reads_lines() -> None:
    assert "it failed" in _log_everything(Terminal())


def test_the_level_is_kept() -> None:
    lines = [orjson.loads(line) for line in _log_everything(io.StringIO(), "error").splitlines()]
    assert [line["event"] for line in lines] == ["it failed", "theirs failed too"]


def test_a_client_that_takes_no_reply_is_a_line_without_a_traceback() -> None:
    stream = io.StringIO()
    logs.configure("info", stream)
    error = cygrpc.ExecuteBatchError("Failed")
    logging.getLogger("grpc._cython.cygrpc").error("raised in core by servicer method", exc_info=error)
    (line,) = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    assert (line["event"], line["level"]) == ("raised in core by servicer method", "warning")
    assert "exception" not in line
