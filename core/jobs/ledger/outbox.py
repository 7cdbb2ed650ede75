"""The outbox of doorbells: rows written in the transaction that queues a job, deleted when it is claimed.

The queue of record is the table `jobs`. A lost or repeated doorbell costs only time.
"""

from datetime import timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from core.jobs.database import now
from core.jobs.tables.jobs import JobRow, OutboxRow
from core.program.backoff import exponential_wait

LONGEST_WAIT_SECONDS = 60.0
"""Doorbells are rung again at least this often."""

_NEW = select(OutboxRow.job_id).where(OutboxRow.rings == 0, OutboxRow.ring_at <= bindparam("at")).limit(1)


def due(session: Session, *, limit: int = 100) -> list[tuple[OutboxRow, JobRow]]:
    """The doorbells that are due, with their jobs, longest due first."""
    waiting = select(OutboxRow, JobRow).join(JobRow, JobRow.id == OutboxRow.job_id)
    waiting = waiting.where(OutboxRow.ring_at <= now(session)).order_by(OutboxRow.ring_at).limit(limit)
    return [(row, job) for row, job in session.execute(waiting)]


def has_new(session: Session) -> bool:
    """Whether a doorbell is due that was never rung."""
    return session.scalar(_NEW, {"at": now(session)}) is not None


def rung(session: Session, job_id: str, *, ring_again_seconds: float) -> None:
    """Record a ring of a job's doorbell and schedule the next in `ring_again_seconds`, doubling to 60 s."""
    row = session.get(OutboxRow, job_id, with_for_update=True)
    if row is None:
        return
    row.rings += 1
    wait = exponential_wait(row.rings, first_seconds=ring_again_seconds, longest_seconds=LONGEST_WAIT_SECONDS)
    row.ring_at = now(session) + timedelta(seconds=wait)
    session.flush()
