"""A forked process that waits to become a supervisor's program.

A supervisor has threads, so that it cannot fork safely itself. The standby is forked before they start.
"""

import json
import os
import signal
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from core.program.allocator import tuned_environment
from core.program.lifeline import die_with_parent
from worker.warm.fork import move, run_module

_LONGEST_COMMAND = 1 << 16
_waiting: list["Standby"] = []


class Standby:
    """The standby of this supervisor: first it waits, then it is the program."""

    def __init__(self, pid: int, connection: socket.socket, output: int) -> None:
        self._pid, self._connection = pid, connection
        self.stdout = os.fdopen(output, encoding="utf-8", errors="replace")
        """What the program prints."""
        self._code: int | None = None
        self._reaping = threading.Lock()

    def start(self, module: str, arguments: Sequence[str], *, errors: Path) -> None:
        """Become the program `module`, which appends its standard error to the file `errors`."""
        command = json.dumps({"module": module, "arguments": list(arguments)})
        with errors.open("ab") as stream:
            socket.send_fds(self._connection, [command.encode()], [stream.fileno()])
        self._connection.close()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the program, unless it has ended."""
        with self._reaping:
            if self._code is None:
                os.kill(self._pid, number)

    def kill(self) -> None:
        """Kill the program."""
        self.send_signal(signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end; returns the exit code, negative for a signal."""
        os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        with self._reaping:
            if self._code is None:
                self._code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
            return self._code


def take() -> Standby | None:
    """The standby of this process, once; None if it has none."""
    return _waiting.pop() if _waiting else None


def prepare() -> None:
    """Fork the standby of this process, which has no threads yet."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    readable, writable = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        die_with_parent(signal.SIGKILL, parent=parent)
        ours.close()
        os.close(readable)
        move(os.open(os.devnull, os.O_RDONLY), 0)  # a supervisor's own input is its worker's commands
        move(writable, 1)
        _wait_for_command(theirs)
    theirs.close()
    os.close(writable)
    _waiting.append(Standby(pid, ours, readable))


def _wait_for_command(connection: socket.socket) -> NoReturn:
    message, descriptors, _, _ = socket.recv_fds(connection, _LONGEST_COMMAND, 1)
    if not message:
        os._exit(0)
    connection.close()
    move(descriptors[0], 2)
    os.environ.update(tuned_environment())  # the template was started with it
    command = json.loads(message)
    run_module(command["module"], command["arguments"])
