"""Heartbeats: report that long work is alive, and stop it on request.

A worker ends a program that writes no event for some time, and a cancelled program must stop soon. A long
loop therefore calls `stop_if_requested`, or a `Heartbeat` that it is given.
"""

import time
from collections.abc import Callable

from core.errors import Stopped
from core.program.observer import Observer

_REPORT_SECONDS = 1.0

Heartbeat = Callable[[], None]
"""Call it repeatedly during long work: it reports progress and raises `Stopped` on a stop request."""


def stop_if_requested(observer: Observer, *, doing: str) -> None:
    """Stop work that has no checkpoint; `doing` names it, such as `importing`.

    Raises:
        Stopped: the observer asked to stop.
    """
    if observer.should_stop():
        raise Stopped(
            f"Stopped while {doing}; nothing was written. The job starts from the beginning when run again."
        )


class Pulse:
    """A heartbeat for frequent calls: it reports `num_done` finished steps of the phase once a second.

    Each call raises `Stopped` when the observer asks to stop. `doing` names the work, such as `importing`.
    """

    def __init__(
        self, observer: Observer, *, doing: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.num_done = 0
        self._observer, self._doing, self._clock = observer, doing, clock
        self._reported_at = clock()

    def __call__(self) -> None:
        """Report if it is time, and stop on request."""
        stop_if_requested(self._observer, doing=self._doing)
        if (now := self._clock()) - self._reported_at >= _REPORT_SECONDS:
            self._reported_at = now
            self._observer.on_step(self.num_done, {})

    def count(self) -> None:
        """Count one more step; any thread may."""
        self.num_done += 1


def heartbeat(observer: Observer, *, doing: str, num_done: int = 0) -> Heartbeat:
    """Return a heartbeat for use within a step; it reports `num_done` finished steps of the phase.

    The heartbeat raises `Stopped` when the observer asks to stop.
    """

    def beat() -> None:
        stop_if_requested(observer, doing=doing)
        observer.on_step(num_done, {})

    return beat
