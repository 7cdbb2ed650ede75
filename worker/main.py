"""Starts a Celery worker: `python -m worker.main`. SIGTERM and SIGINT drain it.

A drained worker has its program save a checkpoint, gives the job back uncharged, leaves no process behind
and exits 0.
"""

import logging
import os
import sys
import threading
import time
from typing import Any

from celery import Celery, signals

from core.jobs import log_lines
from core.jobs.database import migrate, open_database
from core.jobs.settings import Settings, settings_or_exit
from core.jobs.tracing import open_tracing
from core.jobs.workers import Capacity
from worker.app import create_app, queues_of, worker_name
from worker.capabilities import capacity
from worker.drain import DrainSwitch
from worker.lease import SUPERVISOR
from worker.tasks import register, retire

_LOOK_AGAIN_SECONDS = 0.05
_CELERYS_SECONDS = 15.0
"""What Celery gets to end by itself when the job has been given back; then nothing depends on it."""
_log = logging.getLogger(__name__)


def arguments(settings: Settings, capacity: Capacity, *, log_level: str = "INFO") -> list[str]:
    """The arguments of `celery` for this worker."""
    return [
        "--quiet",  # no banner among the lines of the log
        "worker",
        f"--queues={queues_of(capacity)}",
        f"--hostname={worker_name(settings)}",
        "--concurrency=1",
        "--pool=prefork",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        f"--loglevel={log_level}",
    ]


def main(*, supervisor: str = SUPERVISOR) -> int:
    """Run a worker with the settings of the environment until it is told to stop; returns the exit code."""
    settings = settings_or_exit()
    log_lines.configure("worker", settings, worker=worker_name(settings))
    signals.setup_logging.connect(lambda **_: None, weak=False)  # then Celery leaves logging alone
    open_tracing(settings, "worker").close()  # what is missing is missed here, not at the first job
    engine = open_database(settings.resolved_database_url)
    migrate(engine)
    engine.dispose()
    os.environ["REMAP_SIGTERM"] = "SIGQUIT"  # before celery.apps.worker is imported, which reads it
    switch = DrainSwitch()
    app = create_app(settings)
    offered = capacity()
    register(app, settings, switch, capacity=offered, supervisor=supervisor)
    app.Worker = _draining_worker(app, settings, switch)
    try:
        app.worker_main(arguments(settings, offered))
    except SystemExit:
        if not switch.asked:  # Celery calls a stop by SIGTERM a failure, but it is what was asked for
            raise
    retire(settings)
    return 0


def _draining_worker(app: Celery, settings: Settings, switch: DrainSwitch) -> Any:
    """Celery's worker, whose soft shutdown asks the pool child to drain and lasts as long as that takes."""
    from celery.apps.worker import Worker

    class DrainingWorker(Worker):  # type: ignore[misc]
        """Celery would sleep for the whole `worker_soft_shutdown_timeout`, without telling the child."""

        def wait_for_soft_shutdown(self) -> None:
            """Wait until the pool child has given its job back, in the signal handler of SIGTERM."""
            switch.ask()
            deadline = time.monotonic() + self.app.conf.worker_soft_shutdown_timeout
            pause = threading.Event()
            while switch.busy and time.monotonic() < deadline:
                pause.wait(_LOOK_AGAIN_SECONDS)
            _end_in(_CELERYS_SECONDS, settings)

    return app.subclass_with_self(DrainingWorker)


def _end_in(seconds: float, settings: Settings) -> None:
    """Have this process end then, and its pool child with it, wherever Celery may stand."""

    def end() -> None:
        _log.warning("Celery has not ended %g s after the job was given back; ending without it.", seconds)
        retire(settings)
        os._exit(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
