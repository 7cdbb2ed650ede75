"""Heartbeats: report that long work is alive, and stop it on request.

A worker ends a program that writes no event for some time, and a cancelled program must stop soon. A long
loop therefore calls `stop_if_requested`, or a `Heartbeat` that it is given.
"""

from collections.abc import Callable

from core.errors import Stopped
from core.program.observer import Observer

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


def heartbeat(observer: Observer, *, doing: str, num_done: int = 0) -> Heartbeat:
    """Return a heartbeat for use within a step; it reports `num_done` finished steps of the phase.

    The heartbeat raises `Stopped` when the observer asks to stop.
    """

    def beat() -> None:
        stop_if_requested(observer, doing=doing)
        observer.on_step(num_done, {})

    return beat
