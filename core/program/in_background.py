"""Runs long work in a thread, while this one reports that it is alive and can stop on request at any time."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from core.errors import Stopped
from core.program.heartbeat import Heartbeat

_POLL_SECONDS = 0.1
_GIVEN_UP_SECONDS = 0.5

_T = TypeVar("_T")


def in_background(work: Callable[[Heartbeat], _T], heartbeat: Heartbeat) -> _T:
    """Run `work` in a thread and return its result; call `heartbeat` every `_POLL_SECONDS` until then.

    If the heartbeat raises, that error is raised at once, and the work is given up. It gets a function that
    raises `Stopped` from then on; work that calls it often ends soon, any other with the process.
    """
    given_up = threading.Event()

    def check() -> None:
        if given_up.is_set():
            raise Stopped("The work was given up.")

    done: Future[_T] = Future()
    thread = threading.Thread(target=_run, args=(work, check, done), daemon=True, name="background")
    thread.start()
    try:
        await_future(done, heartbeat)
    except BaseException:
        given_up.set()
        thread.join(_GIVEN_UP_SECONDS)
        raise
    thread.join()
    return done.result()


def await_future(future: "Future[_T]", heartbeat: Heartbeat) -> _T:
    """Wait for a future and return its result; call `heartbeat` every `_POLL_SECONDS` until then."""
    while not wait([future], timeout=_POLL_SECONDS).done:
        heartbeat()
    return future.result()


def _run(work: Callable[[Heartbeat], _T], check: Heartbeat, done: "Future[_T]") -> None:
    try:
        done.set_result(work(check))
    except BaseException as error:
        done.set_exception(error)
