"""The template of a worker's processes: `python -m worker.warm.template SOCKET PADDING WORKER MODULE,...`.

It loads what supervisors and programs load, and forks a supervisor for each attempt. Each supervisor first
forks a *standby*, which later becomes its program. So the processes have the parents that they have when they
are started fresh: the program dies with the supervisor, and the supervisor drains when the template dies.

The template opens no database, starts no thread and touches no device, since forks would inherit them; if a
module that it loads does, it says so and ends. It ends as well when its worker closes the socket or dies.
"""

import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from core.program.appearance import show_variable
from core.program.lifeline import die_with_parent
from worker.processes import MARK
from worker.warm import standby
from worker.warm.fork import move, run_module

LONGEST_MESSAGE = 1 << 17
"""Bytes of a request, which holds an environment."""
NUM_STREAMS = 3
READY, STARTED, ENDED = b"ready", b"started ", b"ended "
"""Answers: all is loaded; a supervisor has its mark, with its process id; it has ended, with its code."""
_DEVICES = ("/dev/nvidia", "/dev/kfd", "/dev/dri")


def main(descriptor: int, worker: int, modules: Sequence[str]) -> None:
    """Load modules, then answer the requests of process `worker` on the socket `descriptor`."""
    die_with_parent(signal.SIGKILL, parent=worker)
    _load(modules)
    if hindrance := _hindrance_to_forking():
        sys.exit(f"Attempts are not started warm: {hindrance}.")
    with socket.socket(fileno=descriptor) as connection:
        with suppress(OSError):
            connection.send(READY)
        while True:
            message, streams = _request(connection)
            if not message:
                return
            request = json.loads(message)
            template, child = os.getpid(), os.fork()
            if child == 0:
                _become_supervisor(request, streams, connection, template)
            for stream in streams:
                os.close(stream)
            code = _await_end(child, connection)
            with suppress(OSError):  # the worker has ended
                connection.send(ENDED + str(code).encode())


def _request(connection: socket.socket) -> tuple[bytes, list[int]]:
    """The next request and its streams; empty at the end."""
    try:
        message, streams, _, _ = socket.recv_fds(connection, LONGEST_MESSAGE, NUM_STREAMS)
    except ConnectionResetError:  # the worker ended with an answer unread
        return b"", []
    return message, streams


def _load(modules: Sequence[str]) -> None:
    """Load what our own `modules` import. They themselves are run by name later, as if for the first time.

    Those of others are left alone: they may register something in what stays loaded, which works only once.
    """
    ours = {standby.__name__.partition(".")[0], die_with_parent.__module__.partition(".")[0]}
    for name in modules:
        if name.partition(".")[0] in ours:
            with suppress(ImportError):  # the supervisor or program that runs it reports this
                importlib.import_module(name)
                del sys.modules[name]


def _hindrance_to_forking() -> str | None:
    """What loading has started that a forked process could not use, such as a context of CUDA."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return "this system or this Python has no process file descriptors (pidfd)"
    if threading.active_count() > 1:
        return f"loading the programs started the thread {threading.enumerate()[-1].name!r}"
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor of this very listing is closed by now
            if (opened := os.readlink(descriptor)).startswith(_DEVICES):
                return f"loading the programs opened the device {opened}"
    return None


def _await_end(child: int, connection: socket.socket) -> int:
    """Wait for a supervisor. It is drained, as when its parent dies, if the worker closes the connection."""
    ended = os.pidfd_open(child)
    try:
        ready, _, _ = select.select([ended, connection.fileno()], [], [])
        if ended not in ready:
            os.kill(child, signal.SIGTERM)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.close(ended)


def _become_supervisor(
    request: Mapping[str, Any], streams: Sequence[int], connection: socket.socket, template: int
) -> NoReturn:
    die_with_parent(signal.SIGTERM, parent=template)
    os.setsid()
    for target, stream in enumerate(streams):
        move(stream, target)
    os.environ.clear()
    os.environ.update(request["environment"])
    show_variable(MARK, os.environ[MARK])
    with connection:  # only now can the worker find, and end, this process
        connection.send(STARTED + str(os.getpid()).encode())
    standby.prepare()
    run_module(request["module"], request["arguments"])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[3]), sys.argv[4].split(","))
