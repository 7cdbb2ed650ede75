"""The registry of workers: who was heard of when, what they can do, and who has nothing to do."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from core.jobs.database import now
from core.jobs.states import HELD
from core.jobs.tables.jobs import JobRow, WorkerRow

STILL_HEARD_OF_SECONDS = 60.0
"""A worker silent for longer counts as gone."""


@dataclass(frozen=True)
class Capacity:
    """What a worker offers a job: so many devices of a kind (a CPU's devices are its cores)."""

    device: Literal["cpu", "cuda"] = "cpu"
    num_devices: int = 1
    details: dict[str, Any] = field(default_factory=dict)
    """Names, memory and versions, for people."""

    def fits(self, job: JobRow) -> bool:
        """Whether a worker that offers this can do `job`."""
        return job.num_devices <= self.num_devices and (job.device is None or job.device == self.device)


def heartbeat(session: Session, name: str, *, host: str, process_id: int, capacity: Capacity) -> None:
    """Note that worker `name` is alive, and what it can do."""
    row, at = session.get(WorkerRow, name), now(session)
    if row is None:
        row = WorkerRow(name=name, job_id=None)
        session.add(row)
    row.host, row.process_id, row.seen_at = host, process_id, at
    row.device, row.num_devices, row.capabilities = capacity.device, capacity.num_devices, capacity.details
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


def prune(session: Session, *, older_than: timedelta) -> int:
    """Forget workers that have been silent for so long: their hosts are gone; returns how many."""
    silent = delete(WorkerRow).where(WorkerRow.seen_at < now(session) - older_than)
    return len(session.execute(silent.returning(WorkerRow.name)).all())


def idle(session: Session, *, seen_within_seconds: float) -> list[Capacity]:
    """What the workers offer that were heard of lately and hold no job: only they answer a doorbell."""
    since = now(session) - timedelta(seconds=seen_within_seconds)
    holding = exists().where(JobRow.worker == WorkerRow.name, JobRow.state.in_(sorted(HELD)))
    rows = session.scalars(select(WorkerRow).where(WorkerRow.seen_at >= since, ~holding))
    return [_capacity_of(row) for row in rows]


def lack(session: Session, job: JobRow) -> str | None:
    """Why no worker that is up can do `job`, in a sentence; None if one can."""
    since = now(session) - timedelta(seconds=STILL_HEARD_OF_SECONDS)
    up = [_capacity_of(row) for row in session.scalars(select(WorkerRow).where(WorkerRow.seen_at >= since))]
    if any(capacity.fits(job) for capacity in up):
        return None
    if not up:
        return "It waits for a worker: none is up."
    needs = f"{job.num_devices} {job.device or 'device(s)'}"
    there = ", ".join(sorted({f"{capacity.num_devices} {capacity.device}" for capacity in up}))
    return f"It waits for a worker with {needs}; those that are up have {there}. Lower run.num_devices?"


def _capacity_of(row: WorkerRow) -> Capacity:
    return Capacity("cuda" if row.device == "cuda" else "cpu", row.num_devices, row.capabilities)
