"""The journal: a file of a program's events that survives its supervisor.

Steps before a checkpoint are not run again after a resume. If a supervisor was killed before it could store
their metrics, the next attempt reads them from here.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.jobs.ledger.fence import Lease
from core.jobs.ledger.reports import Point, record_metrics
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.tables.jobs import JobMetricRow
from core.program.observer import parse_event

NAME = "events.jsonl"


def adopt_metrics(session: Session, lease: Lease, store: ArtifactStore, *, until_step: int) -> int:
    """Store metrics of earlier attempts that are not stored yet, up to the step to resume from.

    Their programs must have ended. Returns the number of steps stored.

    Raises:
        LeaseLost: the lease no longer holds.
    """
    newest = select(func.max(JobMetricRow.step)).where(JobMetricRow.job_id == lease.job_id)
    stored = session.execute(newest).scalar_one()
    missing: dict[int, Mapping[str, float]] = {}
    for attempt in range(1, lease.attempt):
        for step, metrics in _reported(store.attempt_folder(lease.job_id, attempt) / NAME):
            if (stored is None or step > stored) and step <= until_step:
                missing[step] = metrics
    record_metrics(session, lease, [Point(step, missing[step]) for step in sorted(missing)])
    return len(missing)


def _reported(journal: Path) -> Iterator[tuple[int, Mapping[str, float]]]:
    """Steps and metrics of a journal. Its last line may be truncated."""
    with contextlib.suppress(OSError), journal.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            event = parse_event(line)
            if event is not None and event["event"] == "step" and event.get("metrics"):
                yield int(event["step"]), event["metrics"]
