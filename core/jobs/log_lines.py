"""How the processes of the service log: lines for a person, or one JSON object a line.

Each line says what it is about (request_id, job_id, attempt, worker), as far as that is known: `configure`
and `set_process_context` set it for a whole process, `about` for a request or a job.
Standard logging does the rest.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from core.jobs.settings import Settings

_of_process: dict[str, Any] = {}
_of_context: ContextVar[dict[str, Any]] = ContextVar("about", default={})  # noqa: B039 - never changed


def configure(process: str, settings: Settings, **about: Any) -> None:
    """Send everything that this process logs to standard error, in the form that the settings say."""
    handlers = [handler(process, settings, sys.stderr)]
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it has a word to say at each look at /readyz
    sys.excepthook = lambda *error: logging.critical("This process ends by a fault.", exc_info=error)
    set_process_context(**about)


def handler(process: str, settings: Settings, stream: TextIO) -> logging.Handler:
    """What writes the lines of `process` to `stream`."""
    writing = logging.StreamHandler(stream)
    writing.addFilter(_add_about)
    writing.setFormatter(JsonLines(process) if settings.log_format == "json" else PlainLines(process))
    return writing


def set_process_context(**about: Any) -> None:
    """What all further lines of this process, from any of its threads, are about."""
    _of_process.update(about)


@contextmanager
def about(**fields: Any) -> Iterator[None]:
    """What the lines logged inside are about; threads that the web framework starts here inherit it."""
    token = _of_context.set({**_of_context.get(), **fields})
    try:
        yield
    finally:
        _of_context.reset(token)


def current(name: str) -> Any:
    """What is known here of `name`, such as `request_id`; None if nothing is."""
    return {**_of_process, **_of_context.get()}.get(name)


class PlainLines(logging.Formatter):
    """Time, process, level and message, and behind them what the line is about."""

    def __init__(self, process: str) -> None:
        super().__init__(f"%(asctime)s {process} %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without a traceback."""
        known = (f"{name}={value}" for name, value in _about(record).items() if value is not None)
        return "  ".join((super().formatMessage(record), " ".join(known))).rstrip()


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, process, logger, message, what it is about, and a traceback."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The object."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "process_id": record.process,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in _about(record).items() if value is not None},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _add_about(record: logging.LogRecord) -> bool:
    record.about = {**_of_process, **_of_context.get(), **_about(record)}
    return True


def _about(record: logging.LogRecord) -> dict[str, Any]:
    """Fields of this one line: `extra={"about": {...}}`."""
    fields: dict[str, Any] = getattr(record, "about", {})
    return fields
