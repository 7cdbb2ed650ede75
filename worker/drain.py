"""Drain switch: shared memory by which a Celery worker's main process tells its pool child to stop."""

import mmap
import os

import psutil

WINDING_UP_SECONDS = 30.0
"""Time of a supervisor for its last write, after the program's grace period, before it is killed."""
_ASKED, _BUSY = 0, slice(1, 9)


class DrainSwitch:
    """A few bytes of memory shared by a parent and its forked child. Create it before the fork.

    Other channels do not work: the main process may be in a signal handler, or blocked on a lost broker.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 9)

    @property
    def asked(self) -> bool:
        """Whether the worker is being stopped."""
        return self._memory[_ASKED] == 1

    def ask(self) -> None:
        """Tell the pool child to give back its job and claim no other."""
        self._memory[_ASKED] = 1

    @property
    def busy(self) -> bool:
        """Whether the pool child is alive and runs a job."""
        child = int.from_bytes(self._memory[_BUSY], "big")
        try:
            return child != 0 and psutil.Process(child).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    @busy.setter
    def busy(self, value: bool) -> None:
        self._memory[_BUSY] = (os.getpid() if value else 0).to_bytes(8, "big")
