"""Logging: one JSON object a line for machines, coloured lines for a terminal, the standard library's loggers included.

What is logged are names, codes, ids and durations, and tracebacks without the values of variables; never content.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor

from server.rpc.interceptors.call import add_request_id

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str, stream: TextIO | None = None) -> None:
    """Set up all logging of the process, to standard error unless told otherwise; `level` is one of `LEVELS`.

    Whatever is logged while a call is served bears its request id.
    """
    stream = stream or sys.stderr
    chain = _human() if stream.isatty() else _machine()
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
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]


def _machine() -> list[Processor]:
    return [add_request_id, structlog.processors.add_log_level, _stamp, structlog.processors.format_exc_info, _json]


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


def _bridge(level: int, stream: TextIO, chain: list[Processor]) -> None:
    """Send what libraries log through the standard library the same way; they speak up from warning on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *chain],
        )
    )
    handler.addFilter(_without_alarm)
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
