"""Reports a program's events to the database in batches. Survives database outages."""

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
from worker.attempt.checkpoint_retention import Retention, apply_retention, commit
from worker.attempt.checkpoint_uploads import CheckpointUpload, CheckpointUploads
from worker.attempt.program_log import ProgramLog
from worker.attempt.progress import Progress
from worker.persistence import DATABASE_AWAY

FLUSH_SECONDS = 1.0
"""Minimum time between reports. Checkpoints are reported at once."""
_MAX_POINTS = 100_000
_MAX_LOGS = 1_000
_log = logging.getLogger(__name__)


class Reporter:
    """Collects events since the last write. The program never waits for the database."""

    def __init__(
        self,
        engine: Engine,
        lease: Lease,
        store: ArtifactStore,
        *,
        log: ProgramLog,
        retention: Retention | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._lease, self._store, self._clock = engine, lease, store, clock
        self._log = log
        self._progress = Progress()
        self._started = self._moved = False
        self._points: deque[Point] = deque(maxlen=_MAX_POINTS)
        self._logs: deque[str] = deque(maxlen=_MAX_LOGS)
        self._retention = retention or Retention()
        self._leaving: list[str] = []
        self._uploads = CheckpointUploads(store)
        self._checkpoints: dict[int, CheckpointUpload] = {}
        self._backoff = Backoff(clock)
        self._flushed_at = clock() - FLUSH_SECONDS

    def take(self, event: dict[str, Any]) -> None:
        """Collect an event. `result`, `error` and `stopped` only mark the job as running."""
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
            if (complaint := self._uploads.send(Path(event["path"]), int(event["step"]))) is not None:
                self.say(complaint)
        elif event["event"] == "log":
            self.say(str(event["message"]))

    def say(self, message: str) -> None:
        """Collect a log message."""
        self._logs.append(message)

    def collect(self) -> bool:
        """Collect finished checkpoint uploads. Returns whether uploads are still running."""
        arrived, complaints = self._uploads.collect()
        self._checkpoints.update({upload.step: upload for upload in arrived})
        for complaint in complaints:
            self.say(complaint)
        return self._uploads.busy

    def flush_if_due(self) -> None:
        """Write a report if one is due. During a database outage it is retried with backoff.

        Raises:
            LeaseLost: the lease no longer holds.
        """
        self.collect()
        due = self._checkpoints or self._clock() - self._flushed_at >= FLUSH_SECONDS
        if not (due and self._backoff.due and (self._pending or self._log.has_grown)):
            return
        try:
            with transaction(self._engine) as session:
                self.write(session)
        except DATABASE_AWAY as error:
            _log.warning("Cannot report to the database; the program continues: %s", error)
            self._backoff.failed()
        else:
            self._backoff.worked()
            self.written()

    def write(self, session: Session, *, to_the_end: bool = False) -> None:
        """Write all collected events in the caller's transaction. Call `written` after its commit.

        `to_the_end` writes the rest of the program's log. The program must have ended.
        """
        if self._started:
            report_started(session, self._lease)
        for message in self._logs:
            report_log(session, self._lease, message)
        record_metrics(session, self._lease, list(self._points))
        if self._moved:
            report_progress(session, self._lease, self._progress.as_json())
        self._leaving = []
        for upload in self._checkpoints.values():
            self._leaving += commit(session, self._lease, upload, self._retention.quotas)
        self._log.write(session, self._lease, to_the_end=to_the_end)

    def written(self) -> None:
        """Clear the written events, and apply the retention rules if there is a new checkpoint."""
        new_checkpoint = bool(self._checkpoints)
        self._uploads.delete(self._leaving)
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
        """Delete old checkpoints: first the rows, then the files, so that a row always has its files."""
        try:
            with transaction(self._engine) as session:
                rows = checkpoints_of(session, self._lease.job_id)
                gone = [row.id for row in rows if self._store.is_gone(row.location)]
                if gone:
                    mark_checkpoints_deleted(session, self._lease, gone)
                leaving = apply_retention(session, self._lease, self._retention.run)
        except DATABASE_AWAY as error:
            _log.warning("Cannot delete old checkpoints: %s", error)
            return
        self._uploads.delete(leaving)
