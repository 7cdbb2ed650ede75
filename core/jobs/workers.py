"""The registry of workers: heartbeats, devices, known job kinds, and which workers are idle."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.orm import Session

from core.jobs.database import now
from core.jobs.kinds import KINDS
from core.jobs.states import HELD
from core.jobs.tables.jobs import JobRow, WorkerRow

HEARTBEAT_TIMEOUT_SECONDS = 60.0
"""A worker without a heartbeat for longer counts as gone."""
_KINDS = "kinds"
"""Where the capabilities of a worker's row list the job kinds that it knows."""


@dataclass(frozen=True)
class Capacity:
    """What a worker can run: the number and type of its devices (those of a CPU are its cores), and the job
    kinds that it knows."""

    device: Literal["cpu", "cuda"] = "cpu"
    num_devices: int = 1
    details: dict[str, Any] = field(default_factory=dict)
    """Names, memory and versions, for display."""
    kinds: frozenset[str] | None = field(default_factory=lambda: frozenset(KINDS))
    """The job kinds that it knows; by default those of this process. None: it is of version 0.1.0, which does
    not report them and claims jobs of any kind."""

    def knows(self, job: JobRow) -> bool:
        """Whether a worker of this capacity claims jobs of the kind of `job`."""
        return self.kinds is None or job.kind in self.kinds

    def fits(self, job: JobRow) -> bool:
        """Whether a worker of this capacity claims `job`."""
        enough = job.num_devices <= self.num_devices
        return enough and job.device in (None, self.device) and self.knows(job)


def heartbeat(session: Session, name: str, *, host: str, process_id: int, capacity: Capacity) -> None:
    """Register worker `name` or renew its heartbeat, with its devices."""
    row, at = session.get(WorkerRow, name), now(session)
    if row is None:
        row = WorkerRow(name=name, job_id=None)
        session.add(row)
    row.host, row.process_id, row.seen_at = host, process_id, at
    row.device, row.num_devices = capacity.device, capacity.num_devices
    known = {} if capacity.kinds is None else {_KINDS: sorted(capacity.kinds)}
    row.capabilities = {**capacity.details, **known}
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
    recent = _seen_within(now(session), seen_within_seconds)
    holding = exists().where(JobRow.worker == WorkerRow.name, JobRow.state.in_(sorted(HELD)))
    rows = session.scalars(select(WorkerRow).where(*recent, ~holding))
    return [_capacity_of(row) for row in rows]


def running_workers(session: Session) -> list[Capacity]:
    """Capacities of the workers that had a recent heartbeat, idle or not."""
    recent = _seen_within(now(session), HEARTBEAT_TIMEOUT_SECONDS)
    return [_capacity_of(row) for row in session.scalars(select(WorkerRow).where(*recent))]


def why_unclaimable(job: JobRow, up: Sequence[Capacity]) -> str | None:
    """Why none of the running workers can claim `job`, in a sentence. None if one can."""
    if any(capacity.fits(job) for capacity in up):
        return None
    if not up:
        return "The job waits for a worker: none is up. Start a worker."
    knowing = [capacity for capacity in up if capacity.knows(job)]
    if not knowing:
        return (
            f"The job waits for a worker that knows the job kind {job.kind!r}; no running worker does. Start "
            "a worker of a newer version that does, or cancel the job."
        )
    needs = f"{job.num_devices} {job.device or 'device(s)'}"
    there = ", ".join(sorted({f"{capacity.num_devices} {capacity.device}" for capacity in knowing}))
    has_device = any(job.device in (None, capacity.device) for capacity in knowing)
    return (
        f"The job waits for a worker with {needs}; the running workers have {there}. Start such a worker, or "
        f"cancel the job and submit it with {'a lower run.num_devices' if has_device else 'run.device=auto'}."
    )


def _seen_within(at: datetime, seconds: float) -> tuple[ColumnElement[bool], ...]:
    """SQL: a heartbeat in the last `seconds`. One in the future is of before the clock was set back."""
    tolerance = timedelta(seconds=seconds)
    return (WorkerRow.seen_at >= at - tolerance, WorkerRow.seen_at <= at + tolerance)


def _capacity_of(row: WorkerRow) -> Capacity:
    kinds = row.capabilities.get(_KINDS)
    return Capacity(
        "cuda" if row.device == "cuda" else "cpu",
        row.num_devices,
        row.capabilities,
        None if kinds is None else frozenset(kinds),
    )
