"""Finding and ending all processes that work for one attempt at a job.

Each dies with its parent (`core.program.lifeline`). Each also carries the attempt's mark in its environment,
which children inherit whatever session or parent they end up with.
"""

import contextlib
import logging
import time
from collections.abc import Set as AbstractSet

import psutil

from worker.devices import processes_on_devices

MARK = "SIGNFORGE_ATTEMPT_MARK"
"""Environment variable that carries an attempt's mark."""
_LOOK_AGAIN_SECONDS = 0.02
_log = logging.getLogger(__name__)


def marked(mark: str, *, spare: AbstractSet[int] = frozenset()) -> list[psutil.Process]:
    """All living processes that carry `mark`, except those with an id in `spare`."""
    return [
        process for process in psutil.process_iter() if process.pid not in spare and _carries(process, mark)
    ]


def end_all(mark: str, *, spare: AbstractSet[int] = frozenset(), within_seconds: float = 10.0) -> bool:
    """Kill every process that carries `mark` and look again until none is left; whether none is left.

    A killed process can hold the memory of its CUDA device a little longer than its place among the
    processes; it counts as left until NVML does not list it any more. One that a driver or a dead file system
    holds in the kernel cannot be killed: it is named in the log.
    """
    deadline, killed = time.monotonic() + within_seconds, set[int]()
    while (left := marked(mark, spare=spare)) or (killed and killed & processes_on_devices()):
        for process in left:
            killed.add(process.pid)
            with contextlib.suppress(psutil.Error):
                process.kill()
        if time.monotonic() > deadline:
            _log.error("Killed, and not gone after %.0f s: processes %s.", within_seconds, sorted(killed))
            return False
        time.sleep(_LOOK_AGAIN_SECONDS)  # waiting for them by psutil would take exit codes from subprocess
    return True


def _carries(process: psutil.Process, mark: str) -> bool:
    """A zombie holds nothing any more, and another user's process is not ours."""
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False
