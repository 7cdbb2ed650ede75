"""Job operations of the API: submit, retry, cancel, pause, resume, queue positions, events, metrics."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Subquery, func, select
from sqlalchemy.orm import Session

from core.errors import ImpossibleTransition
from core.jobs.database import insert_rows, now
from core.jobs.identifiers import new_id
from core.jobs.ledger.fence import add_first_event, move
from core.jobs.scheduling import SchedulingOptions
from core.jobs.states import FINAL, HELD, Actor, Reason, State, origins
from core.jobs.tables.jobs import JobEventRow, JobMetricRow, JobRow, OutboxRow
from core.specs.jobs import JobSpec

_DEFAULT = SchedulingOptions()


@dataclass(frozen=True)
class Origin:
    """The request that submitted a job, named in the logs and traces of the job."""

    request_id: str | None = None
    trace_parent: str | None = None
    """W3C Trace Context: the span that submitted it."""


def submit(
    session: Session,
    *,
    owner: str,
    spec: JobSpec,
    resolved: dict[str, Any] | None,
    scheduling: SchedulingOptions = _DEFAULT,
    origin: Origin = Origin(),
) -> JobRow:
    """Queue a job: its row, first event and doorbell, in the caller's transaction.

    `resolved` is the full configuration of a pretraining job, as JSON.
    """
    job = JobRow(owner=owner, kind=spec.kind, spec=spec.model_dump(mode="json"), resolved_spec=resolved)
    return _queue(session, job, scheduling, origin)


def retry(session: Session, job: JobRow, scheduling: SchedulingOptions, origin: Origin = Origin()) -> JobRow:
    """Queue the specification of a final job again, as a new job with `retry_of`. Returns the new job.

    If the old job failed or was cancelled, the new one resumes from its newest checkpoint. While a retry is
    not final, calling this again returns that retry.

    Raises:
        ImpossibleTransition: the job is not final. The exception has its state.
    """
    session.refresh(job, with_for_update=True)
    if State(job.state) not in FINAL:
        raise ImpossibleTransition(
            f"Job {job.id} is {job.state}. Only final jobs can be retried; cancel it first.",
            state=job.state,
        )
    if (unfinished := _unfinished_retry(session, job)) is not None:
        return unfinished
    again = JobRow(
        owner=job.owner, kind=job.kind, spec=job.spec, resolved_spec=job.resolved_spec, retry_of=job.id
    )
    return _queue(session, again, scheduling, origin)


def cancel(session: Session, job: JobRow) -> JobRow:
    """Cancel a job: at once if no worker holds it, else as soon as its holder has stopped it. Idempotent.

    Raises:
        ImpossibleTransition: the job has succeeded or failed. The exception has its state.
    """
    return _request(
        session,
        job,
        direct=State.CANCELLED,
        asked=State.CANCELLING,
        verb="cancelled",
        reason=Reason.CANCELLED_BY_USER,
    )


def pause(session: Session, job: JobRow) -> JobRow:
    """Request that a running job saves a checkpoint and pauses. Idempotent.

    Raises:
        ImpossibleTransition: the job is not running. The exception has its state.
    """
    return _request(session, job, direct=State.PAUSED, asked=State.PAUSING, verb="paused", reason=None)


def resume(session: Session, job: JobRow) -> JobRow:
    """Queue a paused job again. Idempotent, also after a worker has claimed it.

    Raises:
        ImpossibleTransition: the job is being paused or cancelled, or has ended. The exception has its state.
    """
    return _request(
        session,
        job,
        direct=State.QUEUED,
        asked=State.QUEUED,
        verb="resumed",
        reason=None,
        beyond=(State.STARTING, State.RUNNING),
    )


def events_after(session: Session, job_id: str, sequence: int, limit: int) -> Sequence[JobEventRow]:
    """The job's events with a sequence above `sequence`, in order, at most `limit`."""
    these = select(JobEventRow).where(JobEventRow.job_id == job_id, JobEventRow.sequence > sequence)
    return session.scalars(these.order_by(JobEventRow.sequence).limit(limit)).all()


def metrics_of(
    session: Session, job_id: str, *, name: str | None = None, after_step: int = -1, limit: int = 10_000
) -> Sequence[JobMetricRow]:
    """The job's metrics after step `after_step`, by step and name, at most `limit`."""
    these = select(JobMetricRow).where(JobMetricRow.job_id == job_id, JobMetricRow.step > after_step)
    if name is not None:
        these = these.where(JobMetricRow.name == name)
    return session.scalars(these.order_by(JobMetricRow.step, JobMetricRow.name).limit(limit)).all()


def owners_load() -> Subquery:
    """SQL: columns `owner` and `held`, the number of their held jobs. Owners without held jobs are missing.

    Join it, so that it is computed once per query and not once per queued job.
    """
    held = select(JobRow.owner, func.count().label("held")).where(JobRow.state.in_(sorted(HELD)))
    return held.group_by(JobRow.owner).subquery("load")


def order_of_claims(load: Subquery) -> tuple[Any, ...]:
    """SQL: highest priority, then fewest held jobs of the owner, then first come. Outer join `load`."""
    return JobRow.priority.desc(), func.coalesce(load.c.held, 0), JobRow.created_at, JobRow.id


def _queue(session: Session, job: JobRow, scheduling: SchedulingOptions, origin: Origin) -> JobRow:
    """Complete the row of a new job and queue it."""
    at = now(session)
    job.id, job.state = new_id("job"), State.QUEUED
    job.priority, job.created_at, job.updated_at = scheduling.priority, at, at
    job.request_id, job.trace_parent = origin.request_id, origin.trace_parent
    job.version = job.last_event = 1
    job.attempt = job.charged_attempts = 0
    if scheduling.deadline_seconds is not None:
        job.deadline_at = at + timedelta(seconds=scheduling.deadline_seconds)
    run = (job.resolved_spec or {}).get("run", {})
    job.num_devices = run["num_devices"] if isinstance(run.get("num_devices"), int) else 1
    job.device = "cuda" if run.get("device") == "cuda" else None
    session.add(job)
    session.flush()  # before the rows that refer to it
    insert_rows(session, OutboxRow, [{"job_id": job.id, "ring_at": at, "rings": 0}])
    add_first_event(session, job)
    return job


def _unfinished_retry(session: Session, job: JobRow) -> JobRow | None:
    final = sorted(state.value for state in FINAL)
    unfinished = select(JobRow).where(JobRow.retry_of == job.id, JobRow.state.not_in(final))
    return session.scalars(unfinished.order_by(JobRow.created_at)).first()


def _request(
    session: Session,
    job: JobRow,
    *,
    direct: State,
    asked: State,
    verb: str,
    reason: Reason | None,
    beyond: Collection[State] = (),
) -> JobRow:
    """Move a job to `direct` or, if a worker holds it, to `asked`. A job already there or `beyond` stays."""
    session.refresh(job, with_for_update=True)
    state = State(job.state)
    if state in (direct, asked, *beyond):
        return job
    for target in (direct, asked):
        if state in origins(Actor.API, target):
            move(session, job, target, actor=Actor.API, at=now(session), reason=reason)
            session.flush()
            return job
    raise ImpossibleTransition(f"Job {job.id} is {state}; it cannot be {verb}.", state=state)
