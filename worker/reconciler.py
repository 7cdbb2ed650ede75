"""Periodic maintenance: reaps expired leases, resends doorbells, delivers webhooks, collects garbage.

Run it with `python -m worker.reconciler`. Several may run at the same time.

A doorbell is rung once when its job is queued. It is rung again, since messages may be lost, only while a
worker is idle: a busy worker claims its next job by itself. So messages do not accumulate at the broker.
Webhooks and garbage collection run in threads beside the rounds.
"""

import logging
import os
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable

from celery import Celery
from kombu.exceptions import OperationalError as BrokerAway
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from core.jobs import counters, log_lines, workers
from core.jobs.counters import DEADLINES_PASSED, DOORBELLS_RUNG, RECONCILER_SEEN, leases_reaped
from core.jobs.database import now, open_database, reading, transaction
from core.jobs.ledger import outbox
from core.jobs.ledger.fence import RetryPolicy
from core.jobs.ledger.leases import expire, reap
from core.jobs.migration import migrate
from core.jobs.settings import Settings, settings_or_exit
from core.jobs.states import State
from core.jobs.storage.stores import open_store
from core.program.backoff import Backoff
from core.program.observer import StopSwitch
from worker.app import CONFIRM_SECONDS, DOORBELL, create_app, queue_for
from worker.persistence import DATABASE_AWAY
from worker.tasks import HEARTBEAT_SECONDS
from worker.upkeep.clock_steps import ClockSteps
from worker.upkeep.garbage_collection import Collection
from worker.upkeep.pruning import Pruning
from worker.upkeep.webhook_delivery import WebhookDelivery
from worker.upkeep.webhook_sender import Sender

_HEARTBEAT_TIMEOUT_SECONDS = 4 * HEARTBEAT_SECONDS
_LOOK_SECONDS = 0.1
"""Seconds between looks for new jobs, between two rounds."""
_SEEN_EVERY_SECONDS = 10.0
"""Seconds between the reconciler's own heartbeats in the database."""
_log = logging.getLogger(__name__)


class Reconciler:
    """Runs the rounds of periodic maintenance."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        ring: Callable[[int], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        webhooks: WebhookDelivery | None = None,
        pruning: Pruning | None = None,
        collection: Collection | None = None,
    ) -> None:
        self._engine, self._settings, self._ring = engine, settings, ring
        self._clock, self._wall_clock = clock, wall_clock
        self._policy = RetryPolicy(settings.max_attempts, settings.backoff_seconds)
        self._database_was_away = False
        self._reap_from, self._last_round = clock(), wall_clock()
        self._seen_at = float("-inf")
        self._broker = Backoff(clock)
        self._webhooks, self._pruning, self._collection = webhooks, pruning, collection
        self._clock_steps = ClockSteps(engine, self._policy, clock=clock)

    def round(self) -> None:
        """Reap, clamp, ring, deliver, prune and collect once. Survives outages of database and broker."""
        try:
            self._reap()
            self._clock_steps.round()
            self._ring_doorbells()
            if self._webhooks is not None:
                self._webhooks.round()
            if self._pruning is not None:
                self._pruning.round()
            if self._collection is not None:
                self._collection.round()
        except DATABASE_AWAY as error:
            _log.warning("The database is unavailable: %s", error)
            self._database_was_away = True

    def ring_new(self) -> None:
        """Ring for jobs that were queued since the last round, so that an idle worker need not wait for one.

        It costs one small statement if there are none. Nothing is rung until a round has found the database
        again: one that can be read but not written would have the same bells rung ten times a second.
        """
        if self._database_was_away:
            return
        try:
            with reading(self._engine) as session:
                found = outbox.has_new(session)
            if found:
                self._ring_doorbells()
        except DATABASE_AWAY:
            self._database_was_away = True  # the next round says so

    def _reap(self) -> None:
        """Reap expired leases. After an outage or a suspend, holders first get one full lease to renew."""
        slept = self._wall_clock() - self._last_round > self._settings.lease_seconds / 2
        if slept or self._database_was_away:
            self._reap_from = self._clock() + self._settings.lease_seconds
        with transaction(self._engine) as session:
            reaped = reap(session, self._policy) if self._clock() >= self._reap_from else []
            late = expire(session)
            self._count(session, reaped, late)
        self._database_was_away, self._last_round = False, self._wall_clock()
        for job_id, state in reaped:
            about = {"job_id": job_id}
            _log.warning("The lease of %s expired; it is now %s.", job_id, state, extra={"about": about})
        for job_id in late:
            about = {"job_id": job_id}
            _log.warning("The deadline of %s passed before it ran.", job_id, extra={"about": about})

    def _count(self, session: Session, reaped: list[tuple[str, State]], late: list[str]) -> None:
        """Count in the transaction of the change, so that several reconcilers count each change once."""
        amounts = Counter(leases_reaped(state) for _, state in reaped)
        if late:
            amounts[DEADLINES_PASSED] = len(late)
        counters.add(session, amounts)
        if self._clock() >= self._seen_at + _SEEN_EVERY_SECONDS:
            counters.put(session, RECONCILER_SEEN, int(now(session).timestamp()))
            self._seen_at = self._clock()

    def _ring_doorbells(self) -> None:
        """Send due doorbells. Holds no lock while sending, since a duplicate doorbell does no harm."""
        if not self._broker.due:
            return
        with reading(self._engine) as session:
            idle = workers.idle(session, seen_within_seconds=_HEARTBEAT_TIMEOUT_SECONDS)
            due = [(job, row.rings) for row, job in outbox.due(session)]
        handled, num_rung = [], 0
        for job, rings in due:
            answering = next((capacity for capacity in idle if capacity.fits(job)), None)
            if rings == 0 or answering is not None:
                if rings > 0 and answering is not None:
                    idle.remove(answering)
                if not self._try_to_ring(job.num_devices):
                    break
                num_rung += 1
            handled.append(job.id)
        if handled:
            with transaction(self._engine) as session:
                for job_id in handled:
                    outbox.rung(session, job_id, ring_again_seconds=self._settings.ring_again_seconds)
                counters.add(session, {DOORBELLS_RUNG: num_rung} if num_rung else {})

    def _try_to_ring(self, num_devices: int) -> bool:
        try:
            self._ring(num_devices)
        except (BrokerAway, OSError) as error:
            _log.warning("The broker is unavailable: %s", error)
            self._broker.failed()
            return False
        self._broker.worked()
        return True


def ringer(app: Celery) -> Callable[[int], None]:
    """Return a function that sends one doorbell for a job of `num_devices`, or raises without a broker."""

    def ring(num_devices: int) -> None:
        app.send_task(
            DOORBELL,
            queue=queue_for(num_devices),
            ignore_result=True,
            retry=False,
            confirm_timeout=CONFIRM_SECONDS,
        )

    return ring


def main() -> int:
    """Run rounds with settings from the environment until SIGTERM or SIGINT."""
    settings = settings_or_exit()
    log_lines.configure("reconciler", settings)
    engine = open_database(settings.resolved_database_url)
    migrate(engine)
    stop, woken = StopSwitch(), _wake_up_pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.throw)
    webhooks = WebhookDelivery(engine, settings, Sender(private_allowed=settings.webhook_private_targets))
    pruning = Pruning(engine, settings)
    reconciler = Reconciler(
        engine,
        settings,
        ringer(create_app(settings)),
        webhooks=webhooks,
        pruning=pruning,
        collection=Collection(engine, open_store(settings), settings),
    )
    while not stop.thrown:
        reconciler.round()
        until = time.monotonic() + settings.reconcile_seconds
        while not stop.thrown and (left := until - time.monotonic()) > 0:
            select.select([woken], [], [], min(left, _LOOK_SECONDS))
            reconciler.ring_new()
    return 0


def _wake_up_pipe() -> int:
    """The read end of a pipe that becomes readable at any signal, without locks in a signal handler."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    return woken


if __name__ == "__main__":
    sys.exit(main())
