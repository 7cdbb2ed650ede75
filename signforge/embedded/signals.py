"""Signals as something to wait for, so that the supervisor sleeps until there is a reason to look."""

import contextlib
import select
import signal
import socket
from types import FrameType, TracebackType
from typing import Self

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalInbox:
    """Context manager for the main thread: counts requests to stop; wakes on them and on children's ends."""

    def __init__(self) -> None:
        self.num_stops = 0
        self._receiving, self._sending = socket.socketpair()
        self._receiving.setblocking(False)
        self._sending.setblocking(False)

    def __enter__(self) -> Self:
        self._old_wakeup = signal.set_wakeup_fd(self._sending.fileno(), warn_on_full_buffer=False)
        self._old_handlers = {number: signal.signal(number, self._count) for number in _STOPPING}
        self._old_handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _wake)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        self._receiving.close()
        self._sending.close()

    def wait(self, seconds: float) -> None:
        """Return at the next signal, or after `seconds`."""
        select.select([self._receiving], [], [], max(seconds, 0.0))
        with contextlib.suppress(BlockingIOError):
            self._receiving.recv(4096)

    def _count(self, number: int, frame: FrameType | None) -> None:
        self.num_stops += 1


def _wake(number: int, frame: FrameType | None) -> None:
    """A handler must exist for the wake-up descriptor to be written to."""
