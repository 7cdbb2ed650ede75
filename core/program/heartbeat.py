"""Heartbeats: long work shows that it is alive, and stops when it is asked to.

A worker ends a program that says nothing for a while, and a cancelled one must stop soon. So a long loop
calls `stop_if_requested`, or is given a `Heartbeat` to call.
"""

from collections.abc import Callable

from core.errors import Stopped
from core.program.observer import Observer

Heartbeat = Callable[[], None]
"""Called again and again during long work, to show life and to raise `Stopped` when asked to stop."""


def stop_if_requested(observer: Observer, *, doing: str) -> None:
    """Stop work that has saved nothing to go on from; `doing` names it, such as `importing`.

    Raises:
        Stopped: the observer asked to stop.
    """
    if observer.should_stop():
        raise Stopped(f"Stopped while {doing}; nothing was written. The job starts afresh when run again.")


def heartbeat(observer: Observer, *, doing: str, num_done: int = 0) -> Heartbeat:
    """A heartbeat for the middle of a step: `num_done` steps of the phase are done, as before.

    The heartbeat raises `Stopped` when the observer asks to stop.
    """

    def beat() -> None:
        stop_if_requested(observer, doing=doing)
        observer.on_step(num_done, {})

    return beat
