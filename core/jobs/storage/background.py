"""Work that goes on beside its caller, one piece at a time."""

import threading
from collections.abc import Callable
from concurrent.futures import Future


class Background:
    """Runs one thing at a time, in threads that do not keep the process alive.

    An executor's threads would: a supervisor that has lost its job could not end before its upload has.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()

    def submit(self, work: Callable[[], None]) -> "Future[None]":
        """Run `work` as soon as nothing else runs here; until then it can be cancelled."""
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
