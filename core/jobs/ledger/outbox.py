"""Doorbells to ring: rows written in the transaction that queued a job, gone when the job is claimed.

The queue of record is `jobs`; a doorbell that is lost or rung twice costs time at most.
"""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.jobs.database import now
from core.jobs.tables.jobs import JobRow, OutboxRow
from core.program.backoff import exponential_wait

LONGEST_WAIT_SECONDS = 60.0
"""Doorbells are rung again at least this often."""


def due(session: Session, *, limit: int = 100) -> list[tuple[OutboxRow, JobRow]]:
    """The doorbells to ring now with their jobs, longest due first."""
    waiting = select(OutboxRow, JobRow).join(JobRow, JobRow.id == OutboxRow.job_id)
    waiting = waiting.where(OutboxRow.ring_at <= now(session)).order_by(OutboxRow.ring_at).limit(limit)
    return [(row, job) for row, job in session.execute(waiting)]


def rung(session: Session, job_id: str, *, ring_again_seconds: float) -> None:
    """Note that a job's doorbell was rung: again after `ring_again_seconds`, doubling up to a minute."""
    row = session.get(OutboxRow, job_id, with_for_update=True)
    if row is None:
        return
    row.rings += 1
    wait = exponential_wait(row.rings, first_seconds=ring_again_seconds, longest_seconds=LONGEST_WAIT_SECONDS)
    row.ring_at = now(session) + timedelta(seconds=wait)
    session.flush()
