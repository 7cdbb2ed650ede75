"""Logging of the service's processes, as plain text lines or as JSON lines.

Each line has context fields (request_id, job_id, attempt, worker) where they are known. `configure` and
`set_process_context` set them for a whole process, `about` for one request or job.
"""

import json
import logging
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from core.errors import SignforgeError
from core.jobs.settings import Settings

_MAX_MESSAGE, _MAX_TRACEBACK = 4000, 20_000
_of_process: dict[str, Any] = {}
_of_context: ContextVar[dict[str, Any]] = ContextVar("about", default={})  # noqa: B039 - never changed


def configure(process: str, settings: Settings, **about: Any) -> None:
    """Configure logging of this process to standard error, in the format of the settings."""
    handlers = [handler(process, settings, sys.stderr)]
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    # no format names them, and finding the caller is half of a line's time
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = False
    logging.getLogger("alembic").setLevel(logging.WARNING)  # at INFO it logs at each request of /readyz
    sys.excepthook = _log_uncaught
    set_process_context(**about)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log why this process exits. Our own errors say it in one sentence; others need their traceback."""
    if isinstance(error, SignforgeError):
        logging.critical("%s", error)
    else:
        logging.critical("Uncaught exception; exiting.", exc_info=(kind, error, trace))


def handler(process: str, settings: Settings, stream: TextIO) -> logging.Handler:
    """The logging handler that writes the lines of `process` to `stream`."""
    stream_handler = logging.StreamHandler(stream)
    stream_handler.addFilter(_add_about)
    stream_handler.setFormatter(JsonLines(process) if settings.log_format == "json" else PlainLines(process))
    return stream_handler


def set_process_context(**about: Any) -> None:
    """Add context fields to all further lines of this process, from any thread."""
    _of_process.update(about)


@contextmanager
def about(**fields: Any) -> Iterator[None]:
    """Add context fields to the lines logged inside. Threads that the web framework starts inherit them."""
    token = _of_context.set({**_of_context.get(), **fields})
    try:
        yield
    finally:
        _of_context.reset(token)


def current(name: str) -> Any:
    """The current value of a context field such as `request_id`, or None."""
    return {**_of_process, **_of_context.get()}.get(name)


class PlainLines(logging.Formatter):
    """Plain text format: time, process, level, message and context fields."""

    def __init__(self, process: str) -> None:
        super().__init__(f"%(asctime)s {process} %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Format the line without a traceback."""
        record.message = _printable(_shortened(record.message))
        known = (f"{name}={_printable(str(value))}" for name, value in _about(record).items())
        return "  ".join((super().formatMessage(record), " ".join(known))).rstrip()

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Format a traceback, indented, so that no line of it reads like one of the log."""
        return textwrap.indent(super().formatException(ei)[-_MAX_TRACEBACK:], "  ")


class JsonLines(logging.Formatter):
    """JSON lines format: time, level, process, logger, message, context fields and traceback."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Format the record as one JSON object."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "process_id": record.process,
            "logger": record.name,
            "message": _shortened(record.getMessage()),
            **_about(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)[-_MAX_TRACEBACK:]
        return json.dumps(line, default=str)


def _shortened(message: str) -> str:
    """A message of bounded length: much of it may come from a request."""
    if len(message) <= _MAX_MESSAGE:
        return message
    return f"{message[:_MAX_MESSAGE]}... ({len(message):,} characters)"


def _printable(message: str) -> str:
    """A message on one line, so that no text of a request reads like a line of the log."""
    if message.isprintable():
        return message
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in message)


def _add_about(record: logging.LogRecord) -> bool:
    record.about = {**_of_process, **_of_context.get(), **_about(record)}
    return True


def _about(record: logging.LogRecord) -> dict[str, Any]:
    """Context fields of this one line that are known, `extra={"about": {...}}`: texts of bounded length."""
    fields: dict[str, Any] = getattr(record, "about", {})
    return {
        name: _shortened(value) if isinstance(value, str) else value
        for name, value in fields.items()
        if value is not None
    }
