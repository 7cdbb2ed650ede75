"""What a program reported, in a file that outlives its supervisor.

Numbers of steps before a checkpoint are not computed again by whoever goes on from it. If a supervisor was
killed before it could store them, the next attempt finds them here.
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
    """Store the numbers that earlier attempts reported, up to the step to go on from, and nobody stored.

    Their programs must have ended. Returns how many steps' numbers were stored.

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
    """Steps and numbers of a journal, whose last line may have been cut off."""
    with contextlib.suppress(OSError), journal.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            event = parse_event(line)
            if event is not None and event["event"] == "step" and event.get("metrics"):
                yield int(event["step"]), event["metrics"]
