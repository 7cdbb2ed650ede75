"""Fenced writes to a held job: the check of its lease, state transitions and events.

Every writer locks the job's row first, so a job's events have no gaps and writers do not interleave. The
lease's token is a fencing token. `leases`, `reports`, `outcomes` (worker side) and `submissions` (API side)
are built on this module.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from core.errors import ImpossibleTransition, LeaseLost
from core.jobs.database import insert_rows, now, storable
from core.jobs.states import FINAL, HELD, Actor, Reason, State, may
from core.jobs.tables.jobs import JobAttemptRow, JobEventRow, JobRow, OutboxRow
from core.jobs.webhooks.notifying import notify
from core.program.backoff import exponential_wait

EventType = Literal["state", "progress", "metric", "checkpoint", "log"]
_MAX_BACKOFF_SECONDS = 300.0


@dataclass(frozen=True)
class Lease:
    """The right to write about one attempt of one job, with its fencing token."""

    job_id: str
    attempt: int
    token: str = field(repr=False)


@dataclass(frozen=True)
class RetryPolicy:
    """Number of attempts, and exponential backoff between them."""

    max_attempts: int
    backoff_seconds: float

    def wait(self, charged_attempts: int) -> timedelta:
        """The backoff after that many charged attempts: doubling, at most five minutes."""
        seconds = exponential_wait(
            charged_attempts, first_seconds=self.backoff_seconds, longest_seconds=_MAX_BACKOFF_SECONDS
        )
        return timedelta(seconds=seconds)


def held(session: Session, lease: Lease, *, states: Iterable[State] = HELD) -> JobRow:
    """Lock and return the job of `lease`, if the lease still holds and the state is one of `states`.

    Raises:
        LeaseLost: no row matches id, attempt, token and states.
    """
    fence = update(JobRow).where(*conditions(lease, states)).values(updated_at=now(session)).returning(JobRow)
    options = {"synchronize_session": False, "populate_existing": True}
    job = session.execute(fence, execution_options=options).scalar_one_or_none()
    if job is None:
        raise lost(lease)
    return job


def conditions(lease: Lease, states: Iterable[State]) -> tuple[Any, ...]:
    """The WHERE clause of every fenced write."""
    return (
        JobRow.id == lease.job_id,
        JobRow.attempt == lease.attempt,
        JobRow.lease_token == lease.token,
        JobRow.state.in_(sorted(states)),
    )


def lost(lease: Lease) -> LeaseLost:
    """The exception for a lease that no longer holds."""
    return LeaseLost(f"Attempt {lease.attempt} of {lease.job_id} no longer holds the job's lease.")


def append_event(session: Session, job: JobRow, event: EventType, data: dict[str, Any]) -> None:
    """Add the next event of a locked job and increment the row's version. Every visible change has an event.

    A change of state also adds a message for each webhook of the owner.
    """
    job.last_event += 1
    job.version += 1
    session.add(JobEventRow(**_event(job, event, data)))
    if event == "state":
        notify(session, job, data)


def add_first_event(session: Session, job: JobRow) -> None:
    """Add the event of a new job, whose row counts it already, with its messages."""
    change = {"from": None, "to": State.QUEUED, "reason": None, "message": None, "attempt": 0}
    insert_rows(session, JobEventRow, [_event(job, "state", change)])
    notify(session, job, change)
    session.flush()


def _event(job: JobRow, event: EventType, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "sequence": job.last_event,
        "type": event,
        "data": data,
        "created_at": job.updated_at,
    }


def move(
    session: Session,
    job: JobRow,
    target: State,
    *,
    actor: Actor,
    at: datetime,
    reason: Reason | None = None,
    message: str | None = None,
) -> State:
    """Move a locked job to `target`: state, times, lease, attempt, doorbell and event together.

    Raises:
        ImpossibleTransition: the transition table does not allow it for `actor`.
    """
    message = message and storable(message)
    origin = State(job.state)
    if not may(actor, origin=origin, target=target):
        raise ImpossibleTransition(f"Job {job.id} is {origin}; it cannot become {target}.", state=origin)
    job.state, job.status_reason, job.status_message, job.updated_at = target, reason, message, at
    if target == State.RUNNING and job.started_at is None:
        job.started_at = at
    if target in FINAL:
        job.finished_at = at
    if origin in HELD and target not in HELD:
        _release(session, job, outcome=reason or target, message=message, at=at)
    _set_doorbell(session, job, at=at)
    change = {"from": origin, "to": target, "reason": reason, "message": message, "attempt": job.attempt}
    append_event(session, job, "state", change)
    return target


def move_back(
    session: Session,
    job: JobRow,
    *,
    actor: Actor,
    charged: bool,
    reason: Reason,
    message: str,
    policy: RetryPolicy,
) -> State:
    """Requeue a locked, held job, or fail it if this charged attempt was its last."""
    at = now(session)
    if not charged:
        job.not_before = None
        return move(session, job, State.QUEUED, actor=actor, at=at, reason=reason, message=message)
    job.charged_attempts += 1
    if job.charged_attempts >= policy.max_attempts:
        last = f"{message} Gave up after {job.charged_attempts} attempts."
        return move(session, job, State.FAILED, actor=actor, at=at, reason=reason, message=last)
    job.not_before = at + policy.wait(job.charged_attempts)
    return move(session, job, State.QUEUED, actor=actor, at=at, reason=reason, message=message)


def _release(session: Session, job: JobRow, *, outcome: str, message: str | None, at: datetime) -> None:
    job.lease_token = job.lease_expires_at = job.worker = None
    ended = {"ended_at": at, "outcome": outcome, "message": message}
    this = (JobAttemptRow.job_id == job.id, JobAttemptRow.attempt == job.attempt)
    session.execute(update(JobAttemptRow).where(*this).values(**ended))


def _set_doorbell(session: Session, job: JobRow, *, at: datetime) -> None:
    if job.state == State.QUEUED:
        session.merge(OutboxRow(job_id=job.id, ring_at=max(at, job.not_before or at), rings=0))
    else:
        session.execute(delete(OutboxRow).where(OutboxRow.job_id == job.id))
