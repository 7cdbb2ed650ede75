"""Commit and retention of checkpoints: the run's retention rules, within the owner's storage quota."""

from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.jobs.ledger.fence import Lease, held
from core.jobs.ledger.leases import Claim
from core.jobs.ledger.reports import checkpoints_of, commit_checkpoint, mark_checkpoints_deleted, report_log
from core.jobs.quotas import Quotas, room_left
from core.jobs.settings import Settings
from core.jobs.storage.manifests import size_of
from core.jobs.tables.artifacts import CheckpointRow
from core.jobs.tables.jobs import JobMetricRow
from core.program.retention import Candidate, superfluous
from core.specs.run import RunConfig
from worker.attempt.checkpoint_uploads import CheckpointUpload


@dataclass(frozen=True)
class Retention:
    """The retention rules of a run, and the quotas of its owner."""

    run: RunConfig = field(default_factory=RunConfig)
    quotas: Quotas = field(default_factory=Quotas)

    @classmethod
    def of(cls, claim: Claim, settings: Settings) -> "Retention":
        """For a claimed job. A kind without retention rules (fine-tuning) uses the defaults of a run."""
        run = RunConfig.model_validate((claim.resolved or {}).get("run", {}))
        return cls(run, Quotas.of(settings))


def commit(session: Session, lease: Lease, upload: CheckpointUpload, quotas: Quotas) -> list[str]:
    """Commit a checkpoint that is in the store. Returns locations to delete after the transaction.

    If the owner's quota has no room, the job's earlier checkpoints are deleted. If that is not enough, the
    new checkpoint is deleted instead, with an event.

    Raises:
        LeaseLost: the lease no longer holds.
    """
    job, size = held(session, lease), size_of(upload.manifest)
    rows = checkpoints_of(session, job.id)
    earlier = [row for row in rows if row.location != upload.location]
    room = room_left(session, quotas, job.owner)
    if room is not None and len(earlier) < len(rows):
        room += size  # it is already counted: the response to an earlier commit was lost
    leaving: list[CheckpointRow] = []
    if room is not None and size > room:
        leaving = [row for row in earlier if not row.pinned]
        if size > room + sum(row.size_bytes for row in leaving):
            report_log(session, lease, _no_room(upload, size, quotas))
            return [upload.location]
        mark_checkpoints_deleted(session, lease, [row.id for row in leaving])
    commit_checkpoint(
        session,
        lease,
        step=upload.step,
        location=upload.location,
        manifest=upload.manifest,
        size_bytes=size,
    )
    return [row.location for row in leaving]


def apply_retention(session: Session, lease: Lease, run: RunConfig) -> list[str]:
    """Mark checkpoints as deleted by the run's retention rules. Returns their locations, to delete later.

    Raises:
        LeaseLost: the lease no longer holds.
    """
    made = sorted(checkpoints_of(session, lease.job_id), key=lambda row: (row.attempt, row.step))
    candidates = [Candidate(row.step, _value(session, row, run.keep_best), pinned=row.pinned) for row in made]
    going = [made[index] for index in superfluous(candidates, run)]
    if going:
        mark_checkpoints_deleted(session, lease, [row.id for row in going])
    return [row.location for row in going]


def _value(session: Session, row: CheckpointRow, name: str | None) -> float | None:
    """The value of a metric at a checkpoint's step, or the last one before it."""
    if name is None:
        return None
    these = select(JobMetricRow.value).where(
        JobMetricRow.job_id == row.job_id, JobMetricRow.name == name, JobMetricRow.step <= row.step
    )
    return session.scalars(these.order_by(JobMetricRow.step.desc()).limit(1)).first()


def _no_room(upload: CheckpointUpload, size: int, quotas: Quotas) -> str:
    return (
        f"The checkpoint of step {upload.step} ({size:,} bytes) is not kept: it would exceed the limit of "
        f"{quotas.max_stored_bytes:,} bytes per owner (SIGNFORGE_MAX_STORED_BYTES_PER_OWNER). "
        "Delete uploads, corpora, checkpoints or encoders to make room for the next one."
    )
