"""The real Celery worker, with a main process that never exits by itself after a stop request."""

import sys
import threading
from typing import Any

from celery import signals

from tests.worker.programs.supervisor import PROGRAMS
from worker.main import main


def cling(**_: Any) -> None:
    """Wait for what nobody does."""
    threading.Event().wait()


if __name__ == "__main__":
    signals.worker_shutting_down.connect(cling, weak=False)
    sys.exit(main(supervisor="tests.worker.programs.supervisor", programs=PROGRAMS))
