"""Background work in daemon threads, one task at a time."""

import threading
from collections.abc import Callable
from concurrent.futures import Future


class Background:
    """Runs one task at a time, in daemon threads that do not keep the process alive.

    An executor's threads would: a supervisor that lost its job could not exit before its upload has ended.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()

    def submit(self, work: Callable[[], None]) -> "Future[None]":
        """Run `work` after the tasks before it. It can be cancelled until it starts."""
        future: Future[None] = Future()
        threading.Thread(target=self._run, args=(work, future), daemon=True).start()
        return future

    def _run(self, work: Callable[[], None], future: "Future[None]") -> None:
        with self._turn:
            if not future.set_running_or_notify_cancel():
                return
            try:
                work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(None)
