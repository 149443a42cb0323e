"""Keeps the SDK's own log lines out of the log: they quote messages, and content is not logged."""

import logging
from typing import Final

_LOGGERS: Final = ("mcp", "client", "httpx2", "httpcore2")


def silence_sdk() -> None:
    """Have the SDK's loggers say nothing. What matters of a connection is logged here, by name and number."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.NullHandler()]
        logger.propagate = False
