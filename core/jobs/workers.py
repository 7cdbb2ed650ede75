"""The registry of workers: who was heard of when, and who has nothing to do."""

from datetime import timedelta

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session

from core.jobs.database import now
from core.jobs.states import HELD
from core.jobs.tables import JobRow, WorkerRow


def heartbeat(session: Session, name: str, *, host: str, process_id: int) -> None:
    """Note that worker `name` is alive."""
    row, at = session.get(WorkerRow, name), now(session)
    if row is None:
        session.add(WorkerRow(name=name, host=host, process_id=process_id, job_id=None, seen_at=at))
    else:
        row.host, row.process_id, row.seen_at = host, process_id, at
    session.flush()


def set_job(session: Session, name: str, job_id: str | None) -> None:
    """Note what worker `name` works on; it has just been heard of."""
    these = update(WorkerRow).where(WorkerRow.name == name)
    session.execute(these.values(job_id=job_id, seen_at=now(session)))


def heard_of(session: Session, name: str) -> None:
    """Note that worker `name`, if it is registered, is alive and at work."""
    session.execute(update(WorkerRow).where(WorkerRow.name == name).values(seen_at=now(session)))


def retire(session: Session, name: str) -> None:
    """Take a worker that ended in good order off the registry."""
    row = session.get(WorkerRow, name)
    if row is not None:
        session.delete(row)


def count_idle(session: Session, *, seen_within_seconds: float) -> int:
    """How many workers were heard of lately and hold no job: only they answer a doorbell."""
    since = now(session) - timedelta(seconds=seen_within_seconds)
    holding = exists().where(JobRow.worker == WorkerRow.name, JobRow.state.in_(sorted(HELD)))
    idle = select(func.count()).select_from(WorkerRow).where(WorkerRow.seen_at >= since, ~holding)
    return session.execute(idle).scalar_one()
