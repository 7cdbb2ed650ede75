"""A child process of the embedded service: started into a log file, never outliving its parent.

Each child has a session of its own, so that Ctrl-C at a terminal reaches only the parent, which then stops
them in order. On Linux the kernel sends a child SIGTERM when its parent dies, however it dies.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from core.errors import StorageError
from core.program.lifeline import tied_program

_LOG_BYTES_KEPT = 2**24
_TAIL_LINES = 12
_LOOK_SECONDS = 0.05


class Child:
    """One child process and its log."""

    def __init__(
        self, name: str, arguments: Sequence[str], *, log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        self._arguments = list(arguments)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process (again). Must be called from the main thread, whose life the kernel watches.

        Raises:
            StorageError: the log cannot be written.
        """
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            _turn_over(self.log)
            with self.log.open("ab") as stream:
                self._process = subprocess.Popen(
                    tied_program(*self._arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise StorageError(f"Cannot start the {self.name} with its log {self.log}: {error}.") from None

    def turn_over_log(self) -> None:
        """Begin a new log if the current one is large."""
        with contextlib.suppress(OSError):  # the disk may be full; it is tried again
            _turn_over(self.log)

    @property
    def process_id(self) -> int | None:
        """Its process id, or None before the first start."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """How it ended (negative: by that signal), or None while it runs."""
        return self._process.poll() if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self._process is not None and self.is_running:
            self._process.terminate()

    def kill(self) -> None:
        """Kill the process and everything below it, and wait for its end."""
        if self._process is None or self._process.poll() is not None:
            return
        for process in _family(self._process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def tail(self) -> str:
        """The last lines of its log."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            return "\n".join(lines[-_TAIL_LINES:])
        return ""


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Look at `condition` often until it holds or the time is over; returns whether it held."""
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return held


def _family(process_id: int) -> list[psutil.Process]:
    """A process and everything below it, found before any of it dies and its children change parents."""
    with contextlib.suppress(psutil.NoSuchProcess):
        head = psutil.Process(process_id)
        return [head, *head.children(recursive=True)]
    return []


def _turn_over(log: Path) -> None:
    """Keep one old log beside the current one, so that a long life does not fill the disk.

    The log is copied and emptied, because the process that writes it goes on writing to the same file.
    """
    if log.exists() and log.stat().st_size > _LOG_BYTES_KEPT:
        shutil.copyfile(log, log.with_suffix(".old.log"))
        os.truncate(log, 0)
