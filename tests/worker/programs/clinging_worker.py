"""The real Celery worker, whose main process never comes to an end by itself once it is asked to stop."""

import sys
import threading
from typing import Any

from celery import signals

from worker.main import main


def cling(**_: Any) -> None:
    """Wait for what nobody does."""
    threading.Event().wait()


if __name__ == "__main__":
    signals.worker_shutting_down.connect(cling, weak=False)
    sys.exit(main(supervisor="tests.worker.programs.supervisor"))
