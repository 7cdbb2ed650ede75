"""Leases on jobs: claim the next job, renew a lease, reap expired leases, expire deadlines."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.orm import Session

from core.jobs.database import lock_name, now
from core.jobs.ledger.fence import Lease, RetryPolicy, conditions, lost, move, move_back
from core.jobs.ledger.submissions import order_of_claims, owners_load
from core.jobs.states import HELD, Actor, Reason, State
from core.jobs.tables.jobs import JobAttemptRow, JobRow
from core.jobs.workers import Capacity

_ANY_NUMBER = 2**31
"""Of devices; more than any job needs."""


@dataclass(frozen=True)
class Claim:
    """A job that this worker now holds."""

    job_id: str
    attempt: int
    lease_token: str = field(repr=False)
    kind: str
    spec: dict[str, Any]
    resolved: dict[str, Any] | None
    owner: str
    retry_of: str | None = None
    seconds_left: float | None = None
    """Seconds until the job's deadline, at the time of the claim."""
    worker: str | None = None
    request_id: str | None = None
    trace_parent: str | None = None

    @property
    def lease(self) -> Lease:
        """The lease of the job."""
        return Lease(self.job_id, self.attempt, self.lease_token)


class Desired(StrEnum):
    """Requested state of a held job."""

    RUN = "run"
    PAUSE = "pause"
    CANCEL = "cancel"


_DESIRED = {State.PAUSING: Desired.PAUSE, State.CANCELLING: Desired.CANCEL}


def claim(
    session: Session,
    worker: str,
    lease_seconds: float,
    *,
    capacity: Capacity | None = None,
    max_running_per_owner: int | None = None,
) -> Claim | None:
    """Claim the next job that a worker of this capacity can run; None: with any devices.

    A job of a kind that the worker does not know stays queued, for a worker that does.

    Order: highest priority, then fewest held jobs of the owner, then first come. Claims are serialised by a
    lock, since two concurrent claims would both see the same counts of held jobs per owner.
    """
    lock_name(session, "claim")
    at = now(session)
    capacity = capacity or Capacity("cuda", _ANY_NUMBER)
    job_id = session.scalars(_next(at, capacity, max_running_per_owner)).one_or_none()
    if job_id is None:
        return None
    job = session.get_one(JobRow, job_id, populate_existing=True)
    job.attempt += 1
    job.lease_token = secrets.token_hex(16)
    job.lease_expires_at = at + timedelta(seconds=lease_seconds)
    job.worker, job.not_before = worker, None
    session.add(JobAttemptRow(job_id=job.id, attempt=job.attempt, worker=worker, started_at=at))
    move(session, job, State.STARTING, actor=Actor.CLAIM, at=at)
    session.flush()
    return _as_claim(job, job.lease_token, at)


def held_claim(session: Session, lease: Lease) -> Claim:
    """Read the claim of a held job.

    Raises:
        LeaseLost: the lease no longer holds.
    """
    job = session.scalars(select(JobRow).where(*conditions(lease, HELD))).one_or_none()
    if job is None:
        raise lost(lease)
    return _as_claim(job, lease.token, now(session))


def renew(session: Session, lease: Lease, lease_seconds: float) -> Desired:
    """Extend the lease to `lease_seconds` from now. Returns the requested state of the job.

    Raises:
        LeaseLost: the lease no longer holds.
    """
    expires = now(session) + timedelta(seconds=lease_seconds)
    extend = update(JobRow).where(*conditions(lease, HELD)).values(lease_expires_at=expires)
    options = {"synchronize_session": False}
    return _desired(
        session.execute(extend.returning(JobRow.state), execution_options=options).scalar_one_or_none(), lease
    )


def desired(session: Session, lease: Lease) -> Desired:
    """The requested state of a held job: one read by primary key.

    Raises:
        LeaseLost: the lease no longer holds.
    """
    state = select(JobRow.state).where(*conditions(lease, HELD))
    return _desired(session.execute(state).scalar_one_or_none(), lease)


def reap(session: Session, policy: RetryPolicy) -> list[tuple[str, State]]:
    """Take back jobs whose lease has expired. Returns each with its new state.

    Starting and running jobs are requeued (charged) or failed. Jobs being cancelled or paused become
    cancelled or paused.
    """
    overdue = select(JobRow).where(JobRow.state.in_(sorted(HELD)), JobRow.lease_expires_at < now(session))
    jobs = session.scalars(overdue.order_by(JobRow.id).with_for_update(skip_locked=True)).all()
    reaped = [(job.id, _take_back(session, job, policy)) for job in jobs]
    session.flush()
    return reaped


def expire(session: Session) -> list[str]:
    """Fail queued and paused jobs whose deadline has passed. Returns their ids.

    Held jobs are stopped by their holder, or fail here after they have been reaped.
    """
    at = now(session)
    waiting = JobRow.state.in_([State.QUEUED, State.PAUSED])
    late = select(JobRow).where(waiting, JobRow.deadline_at <= at).order_by(JobRow.id)
    jobs = session.scalars(late.with_for_update(skip_locked=True)).all()
    for job in jobs:
        message = f"The job was still {job.state} when its deadline passed. Retry it with a later deadline."
        move(
            session,
            job,
            State.FAILED,
            actor=Actor.REAPER,
            at=at,
            reason=Reason.DEADLINE_EXCEEDED,
            message=message,
        )
    session.flush()
    return [job.id for job in jobs]


def _next(at: datetime, capacity: Capacity, max_running_per_owner: int | None) -> Select[str]:
    """SQL: lock the job to claim next and return its id. Reads one index, and the row of that job."""
    load = owners_load()
    conditions = [
        JobRow.state == State.QUEUED,
        or_(JobRow.not_before.is_(None), JobRow.not_before <= at),
        or_(JobRow.deadline_at.is_(None), JobRow.deadline_at > at),
        JobRow.num_devices <= capacity.num_devices,
    ]
    if capacity.device != "cuda":
        conditions.append(JobRow.device.is_(None))
    if capacity.kinds is not None:
        conditions.append(JobRow.kind.in_(sorted(capacity.kinds)))
    if max_running_per_owner is not None:
        conditions.append(func.coalesce(load.c.held, 0) < max_running_per_owner)
    line = select(JobRow.id).outerjoin(load, load.c.owner == JobRow.owner).where(*conditions)
    first = line.order_by(*order_of_claims(load)).limit(1)
    return first.with_for_update(skip_locked=True, of=JobRow)


def _take_back(session: Session, job: JobRow, policy: RetryPolicy) -> State:
    at = now(session)
    if job.state == State.CANCELLING:
        return move(session, job, State.CANCELLED, actor=Actor.REAPER, at=at, reason=Reason.CANCELLED_BY_USER)
    if job.state == State.PAUSING:
        return move(session, job, State.PAUSED, actor=Actor.REAPER, at=at)
    message = f"The lease expired, because worker {job.worker} did not renew it in time."
    return move_back(
        session,
        job,
        actor=Actor.REAPER,
        charged=True,
        reason=Reason.WORKER_LOST,
        message=message,
        policy=policy,
    )


def _desired(state: str | None, lease: Lease) -> Desired:
    if state is None:
        raise lost(lease)
    return _DESIRED.get(State(state), Desired.RUN)


def _as_claim(job: JobRow, token: str, at: datetime) -> Claim:
    left = (job.deadline_at - at).total_seconds() if job.deadline_at else None
    return Claim(
        job.id,
        job.attempt,
        token,
        job.kind,
        job.spec,
        job.resolved_spec,
        job.owner,
        retry_of=job.retry_of,
        seconds_left=left,
        worker=job.worker,
        request_id=job.request_id,
        trace_parent=job.trace_parent,
    )
