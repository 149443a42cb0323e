"""What the bot writes to its standard error: lines of JSON that tell where something happened and of what kind it was.

The libraries' own texts are left out, for they repeat what was said, addresses and replies of services.
"""

import asyncio
import json
import logging
import os
import sys
import traceback
from types import TracebackType
from typing import Any, Final

_OWN: Final = "server."


def write(level: str, where: str, **facts: str | None) -> None:
    """Write a line; `facts` without a value are left out."""
    line = {"level": level.lower(), "at": where} | {key: value for key, value in facts.items() if value}
    sys.stderr.write(json.dumps(line) + "\n")


def keep_content_out() -> None:
    """Take over every log of this process: of the standard library, of exceptions that nobody caught, of pipecat."""
    logging.basicConfig(handlers=[_Handler()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught


def take_over_loguru() -> None:
    """Likewise for the log that pipecat uses; raises `ImportError` when it is not there."""
    from loguru import logger

    logger.remove()
    logger.add(_from_loguru, level="WARNING", format=lambda _: "")


def take_over_loop() -> None:
    """Likewise for the running event loop."""
    asyncio.get_running_loop().set_exception_handler(_from_loop)


def private_output() -> int:
    """A descriptor for what stdout is now; from here on whatever anybody prints goes to stderr."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    return kept


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        # Of a log call of our own the template may be told: what is put into it may not.
        event = str(record.msg) if record.name.startswith(_OWN) else None
        write(record.levelname, f"{record.name}:{record.lineno}", kind=kind, event=event)


def _from_loguru(message: Any) -> None:
    record = message.record
    kind = record["exception"].type.__name__ if record["exception"] else None
    write(record["level"].name, f"{record['name']}:{record['line']}", kind=kind)


def _from_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    write("error", _place(error.__traceback__ if error else None), kind=type(error).__name__ if error else None)


def _uncaught(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
    write("critical", _place(trace), kind=kind.__name__)


def _place(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"
