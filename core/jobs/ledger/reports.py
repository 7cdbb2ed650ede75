"""Fenced reports of a job's holder while the job runs: progress, metrics, log messages and checkpoints."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.jobs.database import insert
from core.jobs.identifiers import new_id
from core.jobs.ledger.fence import Lease, append_event, held, move
from core.jobs.ledger.leases import Claim
from core.jobs.states import Actor, State
from core.jobs.tables.artifacts import CheckpointRow
from core.jobs.tables.jobs import JobMetricRow, JobRow


class Point(NamedTuple):
    """The metrics of one step."""

    step: int
    metrics: Mapping[str, float]


def report_started(session: Session, lease: Lease) -> None:
    """Move the job from starting to running, after the program's first event. Idempotent.

    Raises:
        LeaseLost: the lease no longer holds (so in every function here).
    """
    job = held(session, lease)
    if job.state == State.STARTING:
        move(session, job, State.RUNNING, actor=Actor.HOLDER, at=job.updated_at)
        session.flush()


def report_progress(session: Session, lease: Lease, progress: Mapping[str, Any]) -> None:
    """Replace the job's progress and add an event."""
    job = held(session, lease)
    job.progress = _finite(progress)
    append_event(session, job, "progress", _finite(progress))
    session.flush()


def record_metrics(session: Session, lease: Lease, points: Sequence[Point]) -> None:
    """Store the metrics of some steps and add an event with those of the last step.

    They replace the values of earlier attempts. Values that are not finite are not stored and are null in
    the event.
    """
    if not points:
        return
    job = held(session, lease)
    rows = {
        (name, point.step): value
        for point in points
        for name, value in point.metrics.items()
        if math.isfinite(value)
    }
    _upsert_metrics(
        session,
        [
            {"job_id": job.id, "name": name, "step": step, "attempt": lease.attempt, "value": value}
            for (name, step), value in rows.items()
        ],
    )
    last = points[-1]
    append_event(session, job, "metric", {"step": last.step, "metrics": _finite(last.metrics)})
    session.flush()


def report_log(session: Session, lease: Lease, message: str) -> None:
    """Add a log event with a message."""
    append_event(session, held(session, lease), "log", {"message": message})
    session.flush()


def commit_checkpoint(
    session: Session, lease: Lease, *, step: int, location: str, manifest: dict[str, Any], size_bytes: int
) -> CheckpointRow:
    """Commit a complete, verified checkpoint folder, so that jobs can resume from it.

    A second commit of the same step and attempt replaces the row's content.
    """
    job = held(session, lease)
    same = select(CheckpointRow).filter_by(job_id=job.id, step=step, attempt=lease.attempt)
    row = session.scalars(same).one_or_none()
    if row is None:
        row = CheckpointRow(id=new_id("ckp"), job_id=job.id, attempt=lease.attempt, step=step)
        session.add(row)
    row.location, row.manifest, row.size_bytes = location, manifest, size_bytes
    row.created_at, row.deleted_at = job.updated_at, None
    append_event(session, job, "checkpoint", {"id": row.id, "step": step, "size_bytes": size_bytes})
    session.flush()
    return row


def checkpoints_of(session: Session, job_id: str) -> Sequence[CheckpointRow]:
    """The job's checkpoints that are not deleted, newest step first."""
    kept = select(CheckpointRow).where(CheckpointRow.job_id == job_id, CheckpointRow.deleted_at.is_(None))
    return session.scalars(kept.order_by(CheckpointRow.step.desc(), CheckpointRow.attempt.desc())).all()


def resumable_checkpoints(session: Session, claim: Claim) -> Sequence[CheckpointRow]:
    """Checkpoints from which a claimed job can resume, best first: its own, then those of jobs it retries.

    The retry of a job that succeeded starts from the beginning.
    """
    rows = list(checkpoints_of(session, claim.job_id))
    seen, earlier = {claim.job_id}, claim.retry_of
    while earlier is not None and earlier not in seen:
        job = session.get(JobRow, earlier)
        if job is None or job.state == State.SUCCEEDED:
            break
        rows += checkpoints_of(session, job.id)
        seen.add(earlier)
        earlier = job.retry_of
    return rows


def checkpoint_locations(session: Session, job_id: str) -> set[str]:
    """Locations of the job's checkpoints, including deleted ones."""
    return set(session.scalars(select(CheckpointRow.location).where(CheckpointRow.job_id == job_id)))


def mark_checkpoints_deleted(session: Session, lease: Lease, checkpoint_ids: Iterable[str]) -> None:
    """Mark checkpoints as deleted."""
    job = held(session, lease)
    wanted = select(CheckpointRow).where(
        CheckpointRow.job_id == job.id, CheckpointRow.id.in_(list(checkpoint_ids))
    )
    for row in session.scalars(wanted):
        row.deleted_at = job.updated_at
    session.flush()


def _upsert_metrics(session: Session, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = insert(session, JobMetricRow)
    newer = {"attempt": statement.excluded.attempt, "value": statement.excluded.value}
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["job_id", "name", "step"],
            set_=newer,
            where=JobMetricRow.attempt <= statement.excluded.attempt,
        ),
        rows,
    )


def _finite(document: Mapping[str, Any]) -> dict[str, Any]:
    """Replace infinity and NaN, which JSON does not have, by null."""
    clean: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            clean[name] = _finite(value)
        else:
            clean[name] = None if isinstance(value, float) and not math.isfinite(value) else value
    return clean
