"""Let signals wait while the main thread holds what their handlers may need."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Hold back the handlers of signals that stop a program to the end of the block.

    Celery's handler waits for the pool child to give back its job. In the middle of a transaction of this
    process it would wait for a lock that it holds itself. Handlers run on the main thread alone, so other
    threads need no protection.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    handlers = {number: signal.signal(number, lambda got, _: arrived.append(got)) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for got in arrived:
            signal.raise_signal(got)
