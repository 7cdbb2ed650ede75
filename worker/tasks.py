"""The doorbell task, and a Celery worker's heartbeat, drain and shutdown."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from celery import Celery, signals
from sqlalchemy import Engine

from core.jobs import workers
from core.jobs.database import open_database, transaction
from core.jobs.kinds import programs as registered_programs
from core.jobs.settings import Settings
from core.jobs.tracing import open_tracing
from core.jobs.workers import Capacity
from core.program.lifeline import die_with_parent
from core.program.memory_limit import memory_here
from worker.app import DOORBELL, speaks_amqp, worker_name
from worker.deferred_signals import deferred_signals
from worker.drain import DrainSwitch
from worker.lease import SUPERVISOR, Holder
from worker.listening import ListenWhileIdle
from worker.persistence import DATABASE_AWAY
from worker.warm.client import Template

HEARTBEAT_SECONDS = 5.0
"""Seconds between a worker's heartbeats in the registry."""
_TEMPLATE_BYTES = 3 * 2**27
LEAST_FOR_WARM_BYTES = 2**31
"""Memory below which a template would leave too little for a training."""
_log = logging.getLogger(__name__)


def starts_warm(settings: Settings, memory_bytes: int) -> bool:
    """Whether attempts are forked from a template, on a machine or in a container of so much memory."""
    if not settings.warm_start or sys.platform != "linux":
        return False
    if memory_bytes < LEAST_FOR_WARM_BYTES:
        _log.info(
            "Attempts start fresh, seconds later than warm ones: %.1f GiB of memory are too little to keep "
            "%.1f GiB of loaded programs ready.",
            *(memory_bytes / 2**30, _TEMPLATE_BYTES / 2**30),
        )
        return False
    return True


def register(
    app: Celery,
    settings: Settings,
    switch: DrainSwitch,
    *,
    capacity: Capacity,
    supervisor: str = SUPERVISOR,
    programs: Mapping[str, str] | None = None,
) -> None:
    """Add the doorbell task and the signal handlers to `app`, in the main process, before the pool forks."""
    main_process = os.getpid()
    modules = {SUPERVISOR, *(registered_programs() if programs is None else programs).values()}
    template = Template(modules) if starts_warm(settings, memory_here()) else None

    def doorbell() -> None:
        switch.busy = True
        try:
            stopping = lambda: switch.asked or os.getppid() != main_process  # noqa: E731
            _answer(
                settings,
                capacity,
                partial(Holder, supervisor=supervisor, template=template),
                draining=stopping,
            )
        finally:
            switch.busy = False

    def forget_job(engine: Engine) -> None:
        with transaction(engine) as session:
            workers.set_job(session, worker_name(settings), None)

    def on_child(**_: Any) -> None:
        die_with_parent(signal.SIGKILL, parent=main_process)
        switch.busy = False
        if template is not None:
            template.begin()
        _write_once(settings, forget_job)  # the job of a child that was killed

    def on_ready(sender: Any, **_: Any) -> None:
        _beat(settings, capacity)
        sender.timer.call_repeatedly(HEARTBEAT_SECONDS, _beat, (settings, capacity))

    app.task(doorbell, name=DOORBELL, ignore_result=True, shared=False)
    if speaks_amqp(settings.resolved_broker_url):
        app.steps["consumer"].add(ListenWhileIdle)
    signals.worker_process_init.connect(on_child, weak=False)
    signals.worker_ready.connect(on_ready, weak=False)
    signals.worker_shutting_down.connect(lambda **_: switch.ask(), weak=False)


def retire(settings: Settings) -> None:
    """Remove this worker from the registry, as its last action."""

    def write(engine: Engine) -> None:
        with transaction(engine) as session:
            workers.retire(session, worker_name(settings))

    _write_once(settings, write)


def _answer(
    settings: Settings,
    capacity: Capacity,
    holder: Callable[..., Holder],
    *,
    draining: Callable[[], bool],
) -> None:
    engine, tracing = open_database(settings.resolved_database_url), open_tracing(settings, "worker")
    name = worker_name(settings)
    try:
        holder(engine, settings, name, draining, capacity, tracing=tracing).work()
    except DATABASE_AWAY as error:
        _log.warning("Cannot claim a job; the doorbell will ring again: %s", error)
    finally:
        engine.dispose()
        tracing.close()


def _beat(settings: Settings, capacity: Capacity) -> None:
    """Send a heartbeat. Closes its connection, so that none is open when the pool forks."""

    def write(engine: Engine) -> None:
        with transaction(engine) as session:
            workers.heartbeat(
                session,
                worker_name(settings),
                host=socket.gethostname(),
                process_id=os.getpid(),
                capacity=capacity,
            )

    with deferred_signals():  # the handler of SIGTERM waits for others, who wait for this write
        _write_once(settings, write)


def _write_once(settings: Settings, write: Callable[[Engine], None]) -> None:
    engine = open_database(settings.resolved_database_url)
    try:
        write(engine)
    except DATABASE_AWAY as error:
        _log.warning("Cannot reach the database: %s", error)
    finally:
        engine.dispose()
