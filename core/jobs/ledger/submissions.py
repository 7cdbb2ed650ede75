"""The API's side of the ledger: submitting jobs, asking them to stop, and reading about them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Subquery, func, select
from sqlalchemy.orm import Session

from core.errors import ImpossibleTransition
from core.jobs.database import now
from core.jobs.identifiers import new_id
from core.jobs.ledger.fence import append_event, move
from core.jobs.scheduling import SchedulingOptions
from core.jobs.states import FINAL, HELD, Actor, Reason, State, origins
from core.jobs.tables.jobs import JobEventRow, JobMetricRow, JobRow, OutboxRow
from core.specs.jobs import JobSpec

_USUAL = SchedulingOptions()


@dataclass(frozen=True)
class Origin:
    """The request that a job came with, so that logs and traces of everything it led to can name it."""

    request_id: str | None = None
    trace_parent: str | None = None
    """W3C Trace Context: the span that submitted it."""


def submit(
    session: Session,
    *,
    owner: str,
    spec: JobSpec,
    resolved: dict[str, Any] | None,
    scheduling: SchedulingOptions = _USUAL,
    origin: Origin = Origin(),
) -> JobRow:
    """Queue a job: its row, first event and doorbell, in the caller's transaction.

    `resolved` is the full configuration of a pretraining job, as JSON.
    """
    job = JobRow(owner=owner, kind=spec.kind, spec=spec.model_dump(mode="json"), resolved_spec=resolved)
    return _queue(session, job, scheduling, origin)


def retry(session: Session, job: JobRow, scheduling: SchedulingOptions, origin: Origin = Origin()) -> JobRow:
    """Queue the work of a final job again, as a new job that names the old one; returns the new one.

    If the old one failed or was cancelled, the new one goes on from its newest checkpoint. While a retry is
    not final, asking again returns it.

    Raises:
        ImpossibleTransition: the job is not final; carries its state.
    """
    session.refresh(job, with_for_update=True)
    if State(job.state) not in FINAL:
        raise ImpossibleTransition(
            f"Job {job.id} is {job.state}; only a job that has ended can be retried. Cancel it first.",
            state=job.state,
        )
    if (going_on := _unfinished_retry(session, job)) is not None:
        return going_on
    again = JobRow(
        owner=job.owner, kind=job.kind, spec=job.spec, resolved_spec=job.resolved_spec, retry_of=job.id
    )
    return _queue(session, again, scheduling, origin)


def cancel(session: Session, job: JobRow) -> JobRow:
    """Ask that a job stop for good: at once if nobody holds it, else as soon as its holder has stopped it.

    Repeating it is harmless.

    Raises:
        ImpossibleTransition: the job has succeeded or failed; carries that state.
    """
    return _ask(
        session,
        job,
        direct=State.CANCELLED,
        asked=State.CANCELLING,
        verb="cancelled",
        reason=Reason.CANCELLED_BY_USER,
    )


def pause(session: Session, job: JobRow) -> JobRow:
    """Ask a running job to save a checkpoint and wait; repeating it is harmless.

    Raises:
        ImpossibleTransition: the job is not running; carries its state.
    """
    return _ask(session, job, direct=State.PAUSED, asked=State.PAUSING, verb="paused", reason=None)


def resume(session: Session, job: JobRow) -> JobRow:
    """Queue a paused job again; repeating it is harmless, also when a worker has taken it up meanwhile.

    Raises:
        ImpossibleTransition: the job is being paused or cancelled, or has ended; carries its state.
    """
    return _ask(
        session,
        job,
        direct=State.QUEUED,
        asked=State.QUEUED,
        verb="resumed",
        reason=None,
        beyond=(State.STARTING, State.RUNNING),
    )


def queue_position(session: Session, job: JobRow) -> int | None:
    """The place of a queued job in the order of claims, from 1; None for a job that is not queued."""
    return queue_positions(session, [job]).get(job.id)


def queue_positions(session: Session, jobs: Iterable[JobRow]) -> dict[str, int]:
    """The places of those of `jobs` that are queued, by id, in one query however long the queue is."""
    queued = [job.id for job in jobs if job.state == State.QUEUED]
    if not queued:
        return {}
    load = owners_load()
    place = func.row_number().over(order_by=order_of_claims(load)).label("place")
    line = (
        select(JobRow.id, place)
        .outerjoin(load, load.c.owner == JobRow.owner)
        .where(JobRow.state == State.QUEUED)
        .subquery()
    )
    rows = session.execute(select(line.c.id, line.c.place).where(line.c.id.in_(queued)))
    return {job_id: int(position) for job_id, position in rows}


def events_after(session: Session, job_id: str, sequence: int, limit: int) -> Sequence[JobEventRow]:
    """The job's events with a sequence above `sequence`, in order, at most `limit`."""
    these = select(JobEventRow).where(JobEventRow.job_id == job_id, JobEventRow.sequence > sequence)
    return session.scalars(these.order_by(JobEventRow.sequence).limit(limit)).all()


def metrics_of(
    session: Session, job_id: str, *, name: str | None = None, after_step: int = -1, limit: int = 10_000
) -> Sequence[JobMetricRow]:
    """The job's numbers after step `after_step`, by step and name, at most `limit`."""
    these = select(JobMetricRow).where(JobMetricRow.job_id == job_id, JobMetricRow.step > after_step)
    if name is not None:
        these = these.where(JobMetricRow.name == name)
    return session.scalars(these.order_by(JobMetricRow.step, JobMetricRow.name).limit(limit)).all()


def owners_load() -> Subquery:
    """SQL: `owner` and `held`, how many jobs of theirs workers hold; owners with none are not in it.

    To be joined, so that it is counted once in a query and not once for each queued job.
    """
    held = select(JobRow.owner, func.count().label("held")).where(JobRow.state.in_(sorted(HELD)))
    return held.group_by(JobRow.owner).subquery("load")


def order_of_claims(load: Subquery) -> tuple[Any, ...]:
    """SQL: highest priority, then fewest held jobs of the owner, then first come; `load` is outer joined."""
    return JobRow.priority.desc(), func.coalesce(load.c.held, 0), JobRow.created_at, JobRow.id


def _queue(session: Session, job: JobRow, scheduling: SchedulingOptions, origin: Origin) -> JobRow:
    """Complete the row of a new job and queue it."""
    at = now(session)
    job.id, job.state = new_id("job"), State.QUEUED
    job.priority, job.created_at, job.updated_at = scheduling.priority, at, at
    job.request_id, job.trace_parent = origin.request_id, origin.trace_parent
    job.version = job.last_event = job.attempt = job.charged_attempts = 0
    if scheduling.deadline_seconds is not None:
        job.deadline_at = at + timedelta(seconds=scheduling.deadline_seconds)
    run = (job.resolved_spec or {}).get("run", {})
    job.num_devices = run["num_devices"] if isinstance(run.get("num_devices"), int) else 1
    job.device = "cuda" if run.get("device") == "cuda" else None
    session.add(job)
    session.flush()
    session.add(OutboxRow(job_id=job.id, ring_at=at, rings=0))
    change = {"from": None, "to": State.QUEUED, "reason": None, "message": None, "attempt": 0}
    append_event(session, job, "state", change)
    session.flush()
    return job


def _unfinished_retry(session: Session, job: JobRow) -> JobRow | None:
    final = sorted(state.value for state in FINAL)
    going_on = select(JobRow).where(JobRow.retry_of == job.id, JobRow.state.not_in(final))
    return session.scalars(going_on.order_by(JobRow.created_at)).first()


def _ask(
    session: Session,
    job: JobRow,
    *,
    direct: State,
    asked: State,
    verb: str,
    reason: Reason | None,
    beyond: Collection[State] = (),
) -> JobRow:
    """Move a job to `direct` or, where a worker holds it, to `asked`; one that is there or `beyond` stays."""
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
