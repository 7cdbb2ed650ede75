"""Jobs in the states that tests need, made by the ledger's functions."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, update

from core.jobs.database import now, reading, transaction
from core.jobs.ledger.fence import RetryPolicy
from core.jobs.ledger.leases import Claim, claim
from core.jobs.ledger.reports import report_started
from core.jobs.ledger.submissions import cancel, events_after, pause, submit
from core.jobs.scheduling import SchedulingOptions
from core.jobs.states import State
from core.jobs.tables.jobs import JobEventRow, JobRow
from core.specs.jobs import JobSpec, PretrainSpec

POLICY = RetryPolicy(max_attempts=3, backoff_seconds=2.0)
SPEC = PretrainSpec(corpus="cor_none", name="letters")


def queue(
    engine: Engine,
    *,
    owner: str = "ada",
    priority: int = 0,
    deadline: float | None = None,
    spec: JobSpec = SPEC,
    resolved: dict[str, Any] | None = None,
) -> str:
    """A queued job's id."""
    with transaction(engine) as session:
        return submit(
            session,
            owner=owner,
            spec=spec,
            resolved=resolved,
            scheduling=SchedulingOptions(priority, deadline),
        ).id


def hold(engine: Engine, *, state: State = State.RUNNING, spec: JobSpec = SPEC) -> Claim:
    """A claim of a new job that is in `state`, one of those in which it is held."""
    job_id = queue(engine, spec=spec)
    with transaction(engine) as session:
        claimed = claim(session, "wrk", 60)
    assert claimed is not None
    assert claimed.job_id == job_id
    if state != State.STARTING:
        with transaction(engine) as session:
            report_started(session, claimed.lease)
    if state in (State.CANCELLING, State.PAUSING):
        with transaction(engine) as session:
            row = session.get_one(JobRow, job_id)
            (cancel if state == State.CANCELLING else pause)(session, row)
    return claimed


def job(engine: Engine, job_id: str) -> JobRow:
    """A job's row as it is now."""
    with reading(engine) as session:
        return session.get_one(JobRow, job_id)


def events(engine: Engine, job_id: str, kind: str | None = None) -> list[JobEventRow]:
    """A job's events, all or of one type."""
    with reading(engine) as session:
        found = events_after(session, job_id, 0, 100_000)
    return [event for event in found if kind in (None, event.type)]


def set_fields(engine: Engine, job_id: str, **fields: Any) -> None:
    """Write a job's columns behind the ledger's back."""
    with transaction(engine) as session:
        session.execute(update(JobRow).where(JobRow.id == job_id).values(**fields))


def expire(engine: Engine, claimed: Claim) -> None:
    """Let a lease run out a second ago."""
    with transaction(engine) as session:
        past = now(session) - timedelta(seconds=1)
    set_fields(engine, claimed.job_id, lease_expires_at=past)


def claim_next(engine: Engine) -> Claim | None:
    """Claim whatever is next."""
    with transaction(engine) as session:
        return claim(session, "wrk", 60)
