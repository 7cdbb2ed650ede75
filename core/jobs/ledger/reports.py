"""What the holder of a job writes while it works. Every write is fenced by its lease."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.jobs.identifiers import new_id
from core.jobs.ledger.fence import Lease, append_event, held, move
from core.jobs.ledger.leases import Claim
from core.jobs.states import Actor, State
from core.jobs.tables.artifacts import CheckpointRow
from core.jobs.tables.jobs import JobMetricRow, JobRow


class Point(NamedTuple):
    """The numbers of one step."""

    step: int
    metrics: Mapping[str, float]


def report_started(session: Session, lease: Lease) -> None:
    """The program gave its first sign of life: starting becomes running; otherwise nothing changes.

    Raises:
        LeaseLost: the lease no longer holds (so in every function here).
    """
    job = held(session, lease)
    if job.state == State.STARTING:
        move(session, job, State.RUNNING, actor=Actor.HOLDER, at=job.updated_at)
        session.flush()


def report_progress(session: Session, lease: Lease, progress: Mapping[str, Any]) -> None:
    """Replace the job's progress and tell those who watch."""
    job = held(session, lease)
    job.progress = _finite(progress)
    append_event(session, job, "progress", _finite(progress))
    session.flush()


def record_metrics(session: Session, lease: Lease, points: Sequence[Point]) -> None:
    """Store the numbers of some steps, over those an earlier attempt left; watchers get the last step's.

    Numbers that are not finite are not stored; the event shows them as null.
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
    """Pass a sentence on to those who watch."""
    append_event(session, held(session, lease), "log", {"message": message})
    session.flush()


def commit_checkpoint(
    session: Session, lease: Lease, *, step: int, location: str, manifest: dict[str, Any], size_bytes: int
) -> CheckpointRow:
    """Commit a complete, verified checkpoint folder: from now on it may be resumed from.

    The same step of the same attempt again replaces the row's content.
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


def checkpoints_to_go_on_from(session: Session, claim: Claim) -> Sequence[CheckpointRow]:
    """Checkpoints that a claimed job may start from, best first: its own, then those of the job it retries.

    A job that succeeded leaves nothing to go on with: its retry begins anew.
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
    """Where the job's checkpoints are or, if deleted, were."""
    return set(session.scalars(select(CheckpointRow.location).where(CheckpointRow.job_id == job_id)))


def mark_checkpoints_deleted(session: Session, lease: Lease, checkpoint_ids: Iterable[str]) -> None:
    """Note that the folders of these checkpoints are gone."""
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
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(JobMetricRow)
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
    """JSON has no infinity and no not-a-number; null stands for both."""
    clean: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            clean[name] = _finite(value)
        else:
            clean[name] = None if isinstance(value, float) and not math.isfinite(value) else value
    return clean
