"""Find and kill all processes of one attempt of a job.

Each process dies with its parent (`core.program.lifeline`). Each also has the attempt's mark in its
environment, which children inherit even if their session or parent changes.
"""

import contextlib
import logging
import time
from collections.abc import Set as AbstractSet

import psutil

from worker.devices import processes_on_devices

MARK = "SIGNFORGE_ATTEMPT_MARK"
"""Environment variable with an attempt's mark."""
_POLL_SECONDS = 0.02
_log = logging.getLogger(__name__)


def marked(mark: str, *, spare: AbstractSet[int] = frozenset()) -> list[psutil.Process]:
    """All running processes with `mark`, except those with an id in `spare`."""
    return [
        process for process in psutil.process_iter() if process.pid not in spare and _carries(process, mark)
    ]


def end_all(mark: str, *, spare: AbstractSet[int] = frozenset(), within_seconds: float = 10.0) -> bool:
    """Kill every process with `mark` until none is left. Returns whether none is left.

    A killed process may hold memory of its CUDA device after it has left the process table. It counts as
    left until NVML no longer lists it. A process that hangs in the kernel, in a driver or a dead file system,
    cannot be killed: it is named in the log.
    """
    deadline, killed = time.monotonic() + within_seconds, set[int]()
    while (left := marked(mark, spare=spare)) or (killed and killed & processes_on_devices()):
        for process in left:
            killed.add(process.pid)
            with contextlib.suppress(psutil.Error):
                process.kill()
        if time.monotonic() > deadline:
            _log.error("Killed processes still exist after %.0f s: %s.", within_seconds, sorted(killed))
            return False
        time.sleep(_POLL_SECONDS)  # psutil.wait would take the exit codes that subprocess needs
    return True


def _carries(process: psutil.Process, mark: str) -> bool:
    """Whether a process has the mark. Zombies and other users' processes do not count."""
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False
