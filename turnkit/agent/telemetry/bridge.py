"""What libraries write to Python's own logging, in the service's log and just as clean."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from turnkit.agent.telemetry.logs import where_raised


class _Bridge(logging.Handler):
    def __init__(self, log: Any) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields = {"logger": record.name, "problem": record.getMessage()}
            error = record.exc_info[1] if record.exc_info else None
            if error is not None:
                # A traceback's messages may hold what was said.
                fields["at"] = where_raised(error)
            self._log.log(record.levelno, "library", **fields)
        except Exception:
            self.handleError(record)


@contextmanager
def bridged(log: Any) -> Iterator[None]:
    """Send warnings and errors of libraries to `log` while the body runs.

    Parameters
    ----------
    log : structlog logger
    """
    bridge, root = _Bridge(log), logging.getLogger()
    root.addHandler(bridge)
    try:
        yield
    finally:
        root.removeHandler(bridge)
