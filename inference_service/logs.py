"""Logs as one JSON object a line on stdout; the platform (journald, the local cloud) keeps them."""

import logging
import sys
from typing import Any, TextIO

import structlog


def configure(role: str, stream: TextIO | None = None, **fields: Any) -> None:
    """Send structlog's and the standard library's records as JSON lines to `stream` (default: stdout).

    Args:
        role: which part writes, for example "node"; every line carries it.
        fields: further members of every line.
    """
    out = sys.stdout if stream is None else stream
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(role=role, **fields)
    logging.basicConfig(level=logging.WARNING, handlers=[_ThroughStructlog()], force=True)


class _ThroughStructlog(logging.Handler):
    """Warnings of libraries (botocore, aiohttp) in the same shape as our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().log(record.levelno, record.getMessage(), logger=record.name, exc_info=error)
