"""The word from a Celery worker's main process to its pool child that it is time to stop, and the answer."""

import mmap

WINDING_UP_SECONDS = 30.0
"""Beyond a program's grace, what a supervisor may take for its last write before it is killed."""
_ASKED, _BUSY = 0, 1


class DrainSwitch:
    """Two bytes of memory that a forked child shares with its parent; make it before the fork.

    Nothing else crosses: the main process may be inside a signal handler, or waiting for a lost broker.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 2)

    @property
    def asked(self) -> bool:
        """Whether the worker is being stopped."""
        return self._memory[_ASKED] == 1

    def ask(self) -> None:
        """Have the pool child give its job back and take no other."""
        self._memory[_ASKED] = 1

    @property
    def busy(self) -> bool:
        """Whether the pool child is at work."""
        return self._memory[_BUSY] == 1

    @busy.setter
    def busy(self, value: bool) -> None:
        self._memory[_BUSY] = int(value)
