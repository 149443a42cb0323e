"""Where the log goes: standard error, one JSON object a line, or coloured lines where a person watches.

The libraries' own logs (warnings and worse) take the same way. Nothing here knows what is logged; that no content and
no secret is, is the affair of whoever logs.
"""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor


def configure(level: str, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging. To be called before any logger is used."""
    target = stream if stream is not None else sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    rendering = _for_people() if target.isatty() else _for_machines()
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))


def _for_people() -> list[Processor]:
    return [structlog.dev.ConsoleRenderer(pad_event_to=24)]


def _for_machines() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
