"""Structured logs: text on a terminal, JSON elsewhere, each line with its request or run."""

import logging
import sys
from collections.abc import Callable
from typing import Any

import structlog

from .settings import Settings

get: Callable[[str], structlog.stdlib.BoundLogger] = structlog.stdlib.get_logger  # log.info("event", key=value)
context, values = structlog.contextvars.bound_contextvars, structlog.contextvars.get_contextvars  # of each line inside


def configure(settings: Settings) -> None:
    """Send structlog's and the standard library's logs through one chain to standard error."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level]
    shared += [structlog.stdlib.add_logger_name, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    dev, plain = structlog.dev, structlog.dev.plain_traceback  # the pretty one prints all local variables, secrets too
    on_terminal = [dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain, repr_native_str=True)]
    json: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *(json if as_json else on_terminal)]
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx2", "httpcore2", "apscheduler", "alembic", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    every = [*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter]
    factory, kind = structlog.stdlib.LoggerFactory(), structlog.stdlib.BoundLogger
    structlog.configure(every, logger_factory=factory, wrapper_class=kind)
