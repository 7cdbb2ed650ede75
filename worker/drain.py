"""The word from a Celery worker's main process to its pool child that it is time to stop, and the answer."""

import mmap
import os

import psutil

WINDING_UP_SECONDS = 30.0
"""Beyond a program's grace, what a supervisor may take for its last write before it is killed."""
_ASKED, _BUSY = 0, slice(1, 9)


class DrainSwitch:
    """A few bytes of memory that a forked child shares with its parent; make it before the fork.

    Nothing else crosses: the main process may be inside a signal handler, or waiting for a lost broker.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 9)

    @property
    def asked(self) -> bool:
        """Whether the worker is being stopped."""
        return self._memory[_ASKED] == 1

    def ask(self) -> None:
        """Have the pool child give its job back and take no other."""
        self._memory[_ASKED] = 1

    @property
    def busy(self) -> bool:
        """Whether the pool child is at work; one that was killed is not."""
        child = int.from_bytes(self._memory[_BUSY], "big")
        try:
            return child != 0 and psutil.Process(child).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    @busy.setter
    def busy(self, value: bool) -> None:
        self._memory[_BUSY] = (os.getpid() if value else 0).to_bytes(8, "big")
