"""Logging: one JSON object a line for machines, coloured lines for a terminal, the standard library's loggers included.

What is logged are names, codes, ids and durations, and tracebacks without the values of variables and the texts of
exceptions; never content.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor

from server.rpc import tracebacks
from server.rpc.interceptors.call import add_request_id

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str, stream: TextIO | None = None) -> None:
    """Set up all logging of the process, to standard error unless told otherwise; `level` is one of `LEVELS`.

    Whatever is logged while a call is served bears its request id.
    """
    stream = stream or sys.stderr
    chain = _human() if stream.isatty() else machine_chain()
    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    _bridge(LEVELS[level], stream, chain)


def _human() -> list[Processor]:
    return [
        add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # The default formatter would show the local variables of each frame: messages, keys.
        structlog.dev.ConsoleRenderer(exception_formatter=_write_traceback),
    ]


def machine_chain() -> list[Processor]:
    """What makes a line of an event where no person watches."""
    return [add_request_id, structlog.processors.add_log_level, _stamp, _RENDER_EXCEPTION, _json]


_RENDER_EXCEPTION: Final = structlog.processors.ExceptionRenderer(tracebacks.shown)


def _write_traceback(stream: TextIO, info: tracebacks.ExceptionInfo) -> None:
    stream.write(tracebacks.shown(info))


def _stamp(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """The time as it is: orjson writes it faster than anybody else."""
    event["timestamp"] = datetime.now(UTC)
    return event


def _json(_logger: Any, _method: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z).decode()


def _without_alarm(record: logging.LogRecord) -> bool:
    """gRPC raises this error, which has no public name, when a client has gone or takes no reply of that size: nothing
    is wrong here, and its traceback says nothing."""
    if record.exc_info and record.exc_info[0] is not None and record.exc_info[0].__name__ == "ExecuteBatchError":
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def _without_exception(record: logging.LogRecord) -> bool:
    """What asyncio says of a task that failed ends in the task, exception's text and all; its traceback follows."""
    if record.name == "asyncio":
        record.msg, record.args = record.getMessage().partition("\n")[0], None
    return True


FILTERS: Final = (_without_alarm, _without_exception)
"""What is changed in records of the standard library's loggers before they are written; none is dropped."""


def formatter(chain: list[Processor]) -> logging.Formatter:
    """Writes what the standard library's loggers say as `chain` writes the rest."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *chain],
    )


def _bridge(level: int, stream: TextIO, chain: list[Processor]) -> None:
    """Send what libraries log through the standard library the same way; they speak up from warning on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(chain))
    for change in FILTERS:
        handler.addFilter(change)
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
