"""Committing checkpoints and letting old ones go: by the run's own rule, within its owner's quota."""

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
from worker.attempt.checkpoint_uploads import Delivery


@dataclass(frozen=True)
class Keeping:
    """What a run asks to keep, and how much its owner may store."""

    run: RunConfig = field(default_factory=RunConfig)
    quotas: Quotas = field(default_factory=Quotas)

    @classmethod
    def of(cls, claim: Claim, settings: Settings) -> "Keeping":
        """For a claimed job; a kind that says nothing about it (fine-tuning) keeps as many as a run does."""
        run = RunConfig.model_validate((claim.resolved or {}).get("run", {}))
        return cls(run, Quotas.of(settings))


def commit(session: Session, lease: Lease, delivery: Delivery, quotas: Quotas) -> list[str]:
    """Commit a checkpoint that is in the store; returns locations to delete after the transaction.

    Where the owner's quota has no room for it, the job's earlier ones go; where that does not help, it goes
    itself, with an event, and the earlier ones stay.

    Raises:
        LeaseLost: the lease no longer holds.
    """
    job, size = held(session, lease), size_of(delivery.manifest)
    rows = checkpoints_of(session, job.id)
    earlier = [row for row in rows if row.location != delivery.location]
    room = room_left(session, quotas, job.owner)
    if room is not None and len(earlier) < len(rows):
        room += size  # it is counted already: the answer to an earlier commit was lost
    leaving: list[CheckpointRow] = []
    if room is not None and size > room:
        leaving = [row for row in earlier if not row.pinned]
        if size > room + sum(row.size_bytes for row in leaving):
            report_log(session, lease, _no_room(delivery, size, quotas))
            return [delivery.location]
        mark_checkpoints_deleted(session, lease, [row.id for row in leaving])
    commit_checkpoint(
        session,
        lease,
        step=delivery.step,
        location=delivery.location,
        manifest=delivery.manifest,
        size_bytes=size,
    )
    return [row.location for row in leaving]


def let_go(session: Session, lease: Lease, run: RunConfig) -> list[str]:
    """Mark as deleted what the run does not ask to keep; returns their locations, to be deleted afterwards.

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
    """A number at a checkpoint's step, or the last one before it."""
    if name is None:
        return None
    these = select(JobMetricRow.value).where(
        JobMetricRow.job_id == row.job_id, JobMetricRow.name == name, JobMetricRow.step <= row.step
    )
    return session.scalars(these.order_by(JobMetricRow.step.desc()).limit(1)).first()


def _no_room(delivery: Delivery, size: int, quotas: Quotas) -> str:
    return (
        f"The checkpoint of step {delivery.step} ({size:,} bytes) is not kept: it would pass the "
        f"{quotas.max_stored_bytes:,} bytes that its owner may store (SIGNFORGE_MAX_STORED_BYTES_PER_OWNER). "
        "Delete something; the next one may be kept."
    )
