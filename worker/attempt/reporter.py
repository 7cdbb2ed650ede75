"""Turns a program's events into fenced reports, a few at a time, and outlives a database that is away."""

import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from core.jobs.database import transaction
from core.jobs.ledger.fence import Lease
from core.jobs.ledger.reports import (
    Point,
    checkpoints_of,
    mark_checkpoints_deleted,
    record_metrics,
    report_log,
    report_progress,
    report_started,
)
from core.jobs.storage.artifacts import ArtifactStore
from core.program.backoff import Backoff
from worker.attempt.checkpoint_retention import Keeping, commit, let_go
from worker.attempt.checkpoint_uploads import Deliveries, Delivery
from worker.attempt.program_log import ProgramLog
from worker.attempt.progress import Progress
from worker.persistence import DATABASE_AWAY

FLUSH_SECONDS = 1.0
"""Reports are written at most this often; a checkpoint is written at once."""
_MOST_POINTS = 100_000
_MOST_LOGS = 1_000
_log = logging.getLogger(__name__)


class Reporter:
    """Collects what happened since the last write. Its program never waits for the database."""

    def __init__(
        self,
        engine: Engine,
        lease: Lease,
        store: ArtifactStore,
        *,
        log: ProgramLog,
        keeping: Keeping | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._lease, self._store, self._clock = engine, lease, store, clock
        self._log = log
        self._progress = Progress()
        self._started = self._moved = False
        self._points: deque[Point] = deque(maxlen=_MOST_POINTS)
        self._logs: deque[str] = deque(maxlen=_MOST_LOGS)
        self._keeping = keeping or Keeping()
        self._leaving: list[str] = []
        self._deliveries = Deliveries(store)
        self._checkpoints: dict[int, Delivery] = {}
        self._backoff = Backoff(clock)
        self._flushed_at = clock() - FLUSH_SECONDS

    def take(self, event: dict[str, Any]) -> None:
        """Note an event; what is not for the ledger (`result`, `error`, `stopped`) only shows life."""
        self._started = True
        if event["event"] == "phase":
            self._progress.on_phase(str(event["phase"]), total_steps=int(event["total_steps"]))
            self._moved = True
        elif event["event"] == "step":
            step, metrics = int(event["step"]), dict(event["metrics"])
            self._progress.on_step(step, metrics, at=self._clock())
            self._moved = True
            if metrics:
                self._points.append(Point(step, metrics))
        elif event["event"] == "checkpoint":
            if (complaint := self._deliveries.send(Path(event["path"]), int(event["step"]))) is not None:
                self.say(complaint)
        elif event["event"] == "log":
            self.say(str(event["message"]))

    def say(self, message: str) -> None:
        """Note a sentence for those who watch."""
        self._logs.append(message)

    def collect(self) -> bool:
        """Note the checkpoints that have arrived in the store; whether more of them are under way."""
        arrived, complaints = self._deliveries.collect()
        self._checkpoints.update({delivery.step: delivery for delivery in arrived})
        for complaint in complaints:
            self.say(complaint)
        return self._deliveries.busy

    def flush_if_due(self) -> None:
        """Write, if the last write is a while ago; a database that is away is tried again later.

        Raises:
            LeaseLost: the job is no longer ours.
        """
        self.collect()
        due = self._checkpoints or self._clock() - self._flushed_at >= FLUSH_SECONDS
        if not (due and self._backoff.due and (self._pending or self._log.has_grown)):
            return
        try:
            with transaction(self._engine) as session:
                self.write(session)
        except DATABASE_AWAY as error:
            _log.warning("Cannot report, the program goes on: %s", error)
            self._backoff.failed()
        else:
            self._backoff.worked()
            self.written()

    def write(self, session: Session, *, to_the_end: bool = False) -> None:
        """Write everything noted, in the caller's transaction; call `written` once that is committed.

        `to_the_end` writes the whole rest of the program's log, which must have ended.
        """
        if self._started:
            report_started(session, self._lease)
        for message in self._logs:
            report_log(session, self._lease, message)
        record_metrics(session, self._lease, list(self._points))
        if self._moved:
            report_progress(session, self._lease, self._progress.as_json())
        self._leaving = []
        for delivery in self._checkpoints.values():
            self._leaving += commit(session, self._lease, delivery, self._keeping.quotas)
        self._log.write(session, self._lease, to_the_end=to_the_end)

    def written(self) -> None:
        """Forget what has been written, and see to old checkpoints if there is a new one."""
        new_checkpoint = bool(self._checkpoints)
        self._deliveries.delete(self._leaving)
        self._leaving = []
        self._started = self._moved = False
        for collected in (self._logs, self._points, self._checkpoints):
            collected.clear()
        self._log.written()
        self._flushed_at = self._clock()
        if new_checkpoint:
            self._drop_old_checkpoints()

    @property
    def _pending(self) -> bool:
        return bool(self._started or self._moved or self._logs or self._points or self._checkpoints)

    def _drop_old_checkpoints(self) -> None:
        """First the rows, then the files, so that a row always has its files."""
        try:
            with transaction(self._engine) as session:
                rows = checkpoints_of(session, self._lease.job_id)
                gone = [row.id for row in rows if self._store.is_gone(row.location)]
                if gone:
                    mark_checkpoints_deleted(session, self._lease, gone)
                leaving = let_go(session, self._lease, self._keeping.run)
        except DATABASE_AWAY as error:
            _log.warning("Cannot look after old checkpoints: %s", error)
            return
        self._deliveries.delete(leaving)
