"""Processes that must not outlive whoever started them.

Two independent means. A child dies with its parent: on Linux by PR_SET_PDEATHSIG, elsewhere by noticing that
its standard input has closed. And every process that works for one attempt at a job carries that attempt's
mark in its environment, which children inherit whatever session or parent they end up with, so all of them
can be found and ended.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Set as AbstractSet

import psutil

MARK = "SIGNFORGE_ATTEMPT_MARK"
"""Environment variable that carries an attempt's mark."""
_PR_SET_PDEATHSIG = 1
_LOOK_AGAIN_SECONDS = 0.02


def die_with_parent(number: signal.Signals, *, parent: int) -> None:
    """Have this process receive `number` when its parent, process `parent`, ends, even if it already has.

    The request is tied to the parent's thread that started this process; start from a main thread.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(code)}")
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def die_with_input(number: signal.Signals) -> None:
    """Have this process receive `number` when its standard input closes, where the system has no prctl."""
    if sys.platform != "linux":
        threading.Thread(target=_await_end_of_input, args=(number,), daemon=True).start()


def marked(mark: str, *, spare: AbstractSet[int] = frozenset()) -> list[psutil.Process]:
    """All living processes that carry `mark`, except those with an id in `spare`."""
    return [
        process for process in psutil.process_iter() if process.pid not in spare and _carries(process, mark)
    ]


def end_all(mark: str, *, spare: AbstractSet[int] = frozenset(), within_seconds: float = 10.0) -> bool:
    """Kill every process that carries `mark` and look again until none is left; whether none is left."""
    deadline = time.monotonic() + within_seconds
    while left := marked(mark, spare=spare):
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_AGAIN_SECONDS)  # waiting for them by psutil would take exit codes from subprocess
    return True


def _carries(process: psutil.Process, mark: str) -> bool:
    """A zombie holds nothing any more, and another user's process is not ours."""
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def _await_end_of_input(number: signal.Signals) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), number)
