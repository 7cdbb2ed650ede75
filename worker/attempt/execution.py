"""Execution of a program: start it, read its events, ask it to stop, kill it with its children."""

import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TextIO

from core.program.allocator import tuned_environment
from core.program.lifeline import tied_module
from core.program.observer import parse_event
from worker.attempt.verdict import StopReason
from worker.processes import MARK, end_all
from worker.warm import standby
from worker.warm.standby import Standby

_TAIL_BYTES = 2_000
_READ_REST_SECONDS = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProgramEvent:
    """The program wrote an event."""

    event: dict[str, Any]


@dataclass(frozen=True)
class StopRequest:
    """A request to stop the program."""

    stop_reason: StopReason


@dataclass(frozen=True)
class Exited:
    """The program and all its children have ended, and all its output was read."""

    exit_code: int


Message = ProgramEvent | StopRequest | Exited


class Inbox:
    """The supervisor's message queue. Signal handlers and threads may put messages."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Message] = SimpleQueue()

    def put(self, message: Message) -> None:
        """Add a message."""
        self._queue.put(message)

    def get(self, within_seconds: float) -> Message | None:
        """The next message, or None if there is none in time."""
        try:
            return self._queue.get(timeout=within_seconds)
        except Empty:
            return None


class Execution:
    """A running program module. Create it on the main thread, since the program dies with that thread."""

    def __init__(self, module: str, arguments: Sequence[str], *, log: Path, mark: str, inbox: Inbox) -> None:
        self._mark, self._inbox = mark, inbox
        self._process = _forked(module, arguments, log) or _started(module, arguments, log, mark)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        threading.Thread(target=self._await_end, daemon=True).start()

    def ask_to_stop(self) -> None:
        """Ask the program to save a checkpoint at the next step and exit."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the program and all its children."""
        self._process.kill()
        end_all(self._mark, spare={os.getpid()})

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if (event := parse_event(line)) is not None:
                self._inbox.put(ProgramEvent(event))
            else:
                _log.info("The program printed: %s", line.rstrip())

    def _await_end(self) -> None:
        code = self._process.wait()
        try:
            while not end_all(self._mark, spare={os.getpid()}):
                pass  # the attempt has not ended while one of its processes lives
            self._listener.join(_READ_REST_SECONDS)
        finally:
            self._inbox.put(Exited(code))


def _forked(module: str, arguments: Sequence[str], log: Path) -> Standby | None:
    """This process' standby as the program; None if there is none."""
    waiting = standby.take()
    if waiting is not None:
        waiting.start(module, arguments, errors=log)
    return waiting


def _started(module: str, arguments: Sequence[str], log: Path, mark: str) -> "subprocess.Popen[str]":
    """The program as a fresh process."""
    with log.open("ab") as errors:
        return subprocess.Popen(
            tied_module(module, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **tuned_environment(), MARK: mark},
            text=True,
            encoding="utf-8",
            errors="replace",
        )


def read_commands(stream: TextIO, inbox: Inbox, commands: Mapping[str, StopReason]) -> None:
    """Put each command line of `stream` into the inbox, and a drain when the stream closes."""

    def listen() -> None:
        with contextlib.suppress(OSError):
            for line in stream:
                if line.strip() in commands:
                    inbox.put(StopRequest(commands[line.strip()]))
        inbox.put(StopRequest(StopReason.DRAIN))

    threading.Thread(target=listen, daemon=True).start()


def tail(log: Path) -> str:
    """The last part of a log file."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""
