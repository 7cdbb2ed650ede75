"""Entry point of a worker: `python -m worker.main`. SIGTERM and SIGINT drain it.

A draining worker makes its program save a checkpoint, requeues the job uncharged, ends all processes and
exits with 0.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from celery import Celery, signals

from core.jobs import log_lines
from core.jobs.database import open_database
from core.jobs.migration import migrate
from core.jobs.settings import Settings, settings_or_exit
from core.jobs.tracing import open_tracing
from core.jobs.workers import Capacity
from worker.app import create_app, queues_of, worker_name
from worker.capabilities import capacity
from worker.drain import DrainSwitch
from worker.lease import SUPERVISOR
from worker.tasks import register, retire

_POLL_SECONDS = 0.05
_CELERY_EXIT_SECONDS = 15.0
"""Time for Celery to exit by itself after the job was given back. It may then be killed safely."""
_log = logging.getLogger(__name__)


def arguments(settings: Settings, capacity: Capacity, *, log_level: str = "INFO") -> list[str]:
    """The arguments of `celery` for this worker."""
    return [
        "--quiet",  # no banner in the log
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


def main(*, supervisor: str = SUPERVISOR, programs: Mapping[str, str] | None = None) -> int:
    """Run a worker with settings from the environment until it is stopped. Returns the exit code.

    `supervisor` is the module that runs each attempt. `programs` maps job kinds to modules, instead of the
    registered ones.
    """
    settings = settings_or_exit()
    log_lines.configure("worker", settings, worker=worker_name(settings))
    signals.setup_logging.connect(lambda **_: None, weak=False)  # then Celery leaves logging alone
    open_tracing(settings, "worker").close()  # fail now, not at the first job, if a package is missing
    engine = open_database(settings.resolved_database_url)
    migrate(engine)
    engine.dispose()
    os.environ["REMAP_SIGTERM"] = "SIGQUIT"  # before celery.apps.worker is imported, which reads it
    switch = DrainSwitch()
    app = create_app(settings)
    offered = capacity()
    register(app, settings, switch, capacity=offered, supervisor=supervisor, programs=programs)
    app.Worker = _draining_worker(app, settings, switch)
    try:
        app.worker_main(arguments(settings, offered))
    except SystemExit:
        if not switch.asked:  # Celery exits with an error after SIGTERM, but the stop was requested
            raise
    retire(settings)
    return 0


def _draining_worker(app: Celery, settings: Settings, switch: DrainSwitch) -> Any:
    """Celery's worker with a soft shutdown that drains the pool child and waits for it."""
    from celery.apps.worker import Worker

    class DrainingWorker(Worker):  # type: ignore[misc]
        """Replaces Celery's soft shutdown, which sleeps for the whole timeout without telling the child."""

        def wait_for_soft_shutdown(self) -> None:
            """Wait until the pool child has given back its job, in the signal handler of SIGTERM."""
            switch.ask()
            deadline = time.monotonic() + self.app.conf.worker_soft_shutdown_timeout
            pause = threading.Event()
            while switch.busy and time.monotonic() < deadline:
                pause.wait(_POLL_SECONDS)
            _exit_after(_CELERY_EXIT_SECONDS, settings)

    return app.subclass_with_self(DrainingWorker)


def _exit_after(seconds: float, settings: Settings) -> None:
    """Exit this process and its pool child after `seconds`, whatever Celery does."""

    def end() -> None:
        _log.warning("Celery did not exit within %g s after the job was given back; exiting.", seconds)
        retire(settings)
        os._exit(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
