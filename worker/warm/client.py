"""A worker's side of its template: starts it, and asks it for supervisors."""

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import IO

import psutil

from core.program.allocator import tuned_environment
from core.program.appearance import padding, placeholder
from worker.processes import MARK
from worker.warm.template import ENDED, LONGEST_MESSAGE, READY, STARTED

_TEMPLATE = "worker.warm.template"
_MARK_LENGTH = 32
_ANSWER_BYTES = 32
_LOADING_SECONDS = 20.0
_FORKING_SECONDS = 2.0
_POLL_SECONDS = 0.02
_STOPPING_POLL_SECONDS = 0.2
_log = logging.getLogger(__name__)


class WarmProcess:
    """A supervisor that was forked by the template; the part of `subprocess.Popen` that a holder uses."""

    def __init__(self, pid: int, connection: socket.socket, stdin: IO[bytes]) -> None:
        self.pid, self.stdin = pid, stdin
        self._process = _found(pid)
        self._connection = connection
        self._code: int | None = None
        self._template_ended = False

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; returns the exit code, -9 if that is not known.

        Raises:
            TimeoutExpired: it runs on.
        """
        if self._code is None and not self._template_ended:
            ready, _, _ = select.select([self._connection], [], [], timeout)
            if not ready:
                raise subprocess.TimeoutExpired(_TEMPLATE, timeout or 0.0)
            answer = _received(self._connection)
            self._template_ended = not answer
            self._code = int(answer.removeprefix(ENDED)) if answer else None
        if self._code is None:  # the supervisor drains now
            self._await_without_template(timeout)
            self._code = -signal.SIGKILL
        return self._code

    def _await_without_template(self, timeout: float | None) -> None:
        """Wait for a process that is no child of ours; as a zombie it has ended."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while _lives(self._process):
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(_TEMPLATE, timeout or 0.0)
            time.sleep(_POLL_SECONDS)


class Template:
    """The template of a pool child."""

    def __init__(self, modules: Collection[str]) -> None:
        self._modules = sorted(modules)
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._is_ready = self._has_given_up = False

    def begin(self) -> None:
        """Start to load, if nothing is loaded or loading, nor failed to load before. Does not wait."""
        if self._has_given_up or not self._has_ended():
            return
        self.close()
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        modules = ",".join(self._modules)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _TEMPLATE, str(theirs.fileno()), padding(), str(os.getpid()), modules],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **tuned_environment(), MARK: placeholder(_MARK_LENGTH)},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def await_loaded(self, *, stopping: Callable[[], bool]) -> None:
        """Wait until all is loaded, before a job is claimed: a fresh start would have to load as much."""
        self.begin()
        deadline = time.monotonic() + _LOADING_SECONDS
        while not (self._has_loaded() or self._has_ended() or stopping()) and time.monotonic() < deadline:
            assert self._connection is not None, "the process runs"
            select.select([self._connection], [], [], _STOPPING_POLL_SECONDS)
        if not (self._is_ready or self._has_given_up or stopping()):
            self._give_up_unless_killed()

    def start(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> WarmProcess | None:
        """Fork a supervisor. Returns None if it has to be started fresh; then none of it may be left."""
        request = {"module": module, "arguments": list(arguments), "environment": dict(environment)}
        message = json.dumps(request).encode()
        if not self._has_loaded() or len(message) > LONGEST_MESSAGE:
            return None
        readable, writable = os.pipe()
        answer = self._ask(message, readable)
        os.close(readable)
        if self._connection is None or not answer.startswith(STARTED):
            _log.warning("The template did not fork a supervisor in time. The supervisor is started fresh.")
            os.close(writable)
            self.close()
            return None
        pid = int(answer.removeprefix(STARTED))
        return WarmProcess(pid, self._connection, os.fdopen(writable, "wb", buffering=0))

    def close(self) -> None:
        """End the template."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process, self._connection, self._is_ready = None, None, False

    def _give_up_unless_killed(self) -> None:
        """It would fail to load, or take too long, before each job."""
        code = None if self._process is None else self._process.poll()
        self.close()
        if code is None or code > 0:
            self._has_given_up = True
            _log.warning("The template did not load. This worker starts attempts fresh, seconds later.")

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _has_loaded(self) -> bool:
        if not self._is_ready and self._connection is not None:
            waiting, _, _ = select.select([self._connection], [], [], 0)
            self._is_ready = bool(waiting) and _received(self._connection) == READY
        return self._is_ready

    def _ask(self, request: bytes, commands: int) -> bytes:
        """Send a request; returns the answer, empty if there is none in time."""
        assert self._connection is not None
        try:
            socket.send_fds(self._connection, [request], [commands, 1, 2])
        except OSError:
            return b""
        answered, _, _ = select.select([self._connection], [], [], _FORKING_SECONDS)
        return _received(self._connection) if answered else b""


def _found(pid: int) -> psutil.Process | None:
    """The process as it is now: another one may get its id later."""
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _lives(process: psutil.Process | None) -> bool:
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _received(connection: socket.socket) -> bytes:
    """An answer of the template; empty if it has ended."""
    try:
        return connection.recv(_ANSWER_BYTES)
    except OSError:
        return b""
