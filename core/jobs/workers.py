"""The registry of workers: heartbeats, devices, and which workers are idle."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from core.jobs.database import now
from core.jobs.states import HELD
from core.jobs.tables.jobs import JobRow, WorkerRow

HEARTBEAT_TIMEOUT_SECONDS = 60.0
"""A worker without a heartbeat for longer counts as gone."""


@dataclass(frozen=True)
class Capacity:
    """The devices of a worker: their number and kind (the devices of a CPU are its cores)."""

    device: Literal["cpu", "cuda"] = "cpu"
    num_devices: int = 1
    details: dict[str, Any] = field(default_factory=dict)
    """Names, memory and versions, for display."""

    def fits(self, job: JobRow) -> bool:
        """Whether a worker of this capacity can run `job`."""
        return job.num_devices <= self.num_devices and (job.device is None or job.device == self.device)


def heartbeat(session: Session, name: str, *, host: str, process_id: int, capacity: Capacity) -> None:
    """Register worker `name` or renew its heartbeat, with its devices."""
    row, at = session.get(WorkerRow, name), now(session)
    if row is None:
        row = WorkerRow(name=name, job_id=None)
        session.add(row)
    row.host, row.process_id, row.seen_at = host, process_id, at
    row.device, row.num_devices, row.capabilities = capacity.device, capacity.num_devices, capacity.details
    session.flush()


def set_job(session: Session, name: str, job_id: str | None) -> None:
    """Record the job of worker `name` and renew its heartbeat."""
    these = update(WorkerRow).where(WorkerRow.name == name)
    session.execute(these.values(job_id=job_id, seen_at=now(session)))


def renew_heartbeat(session: Session, name: str) -> None:
    """Renew the heartbeat of worker `name`, if it is registered."""
    session.execute(update(WorkerRow).where(WorkerRow.name == name).values(seen_at=now(session)))


def retire(session: Session, name: str) -> None:
    """Remove a worker that shut down from the registry."""
    row = session.get(WorkerRow, name)
    if row is not None:
        session.delete(row)


def prune(session: Session, *, older_than: timedelta) -> int:
    """Delete workers without a heartbeat for `older_than`. Returns their number."""
    silent = delete(WorkerRow).where(WorkerRow.seen_at < now(session) - older_than)
    return len(session.execute(silent.returning(WorkerRow.name)).all())


def idle(session: Session, *, seen_within_seconds: float) -> list[Capacity]:
    """Capacities of the workers that hold no job and had a recent heartbeat. Only these answer a doorbell."""
    since = now(session) - timedelta(seconds=seen_within_seconds)
    holding = exists().where(JobRow.worker == WorkerRow.name, JobRow.state.in_(sorted(HELD)))
    rows = session.scalars(select(WorkerRow).where(WorkerRow.seen_at >= since, ~holding))
    return [_capacity_of(row) for row in rows]


def why_unclaimable(session: Session, job: JobRow) -> str | None:
    """Why no running worker can claim `job`, in a sentence. None if one can."""
    since = now(session) - timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS)
    up = [_capacity_of(row) for row in session.scalars(select(WorkerRow).where(WorkerRow.seen_at >= since))]
    if any(capacity.fits(job) for capacity in up):
        return None
    if not up:
        return "The job waits for a worker: none is up. Start a worker."
    needs = f"{job.num_devices} {job.device or 'device(s)'}"
    there = ", ".join(sorted({f"{capacity.num_devices} {capacity.device}" for capacity in up}))
    return (
        f"The job waits for a worker with {needs}; the running workers have {there}. Start such a worker, or "
        "cancel the job and submit it with a lower run.num_devices."
    )


def _capacity_of(row: WorkerRow) -> Capacity:
    return Capacity("cuda" if row.device == "cuda" else "cpu", row.num_devices, row.capabilities)
