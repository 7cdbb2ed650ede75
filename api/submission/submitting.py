"""Job submission, dry runs and retries; shared by `/v1/jobs` and `/v1/corpora`."""

import logging
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Response
from sqlalchemy.orm import Session

from api.conditional import job_tag
from api.known_keys import Caller
from api.ownership import owned
from api.problems import Problem
from api.schemas.jobs import DryRunResponse, EstimateResponse, JobResponse
from api.service import Service
from api.submission.idempotency import Created, create_once
from api.submission.preparation import prepare
from core.jobs import log_lines
from core.jobs.database import reading
from core.jobs.deletions import missing
from core.jobs.kinds import KINDS, find
from core.jobs.ledger.queue_order import queue_order
from core.jobs.ledger.submissions import Origin, retry, submit
from core.jobs.quotas import Quotas, admit
from core.jobs.scheduling import SchedulingOptions
from core.jobs.tables.jobs import JobRow
from core.jobs.tracing import current_trace_parent
from core.jobs.workers import running_workers, why_unclaimable
from core.specs.jobs import JobSpec

_DEFAULT = SchedulingOptions()
_log = logging.getLogger("signforge.api")


def submit_spec(
    service: Service,
    caller: Caller,
    spec: JobSpec,
    *,
    scheduling: SchedulingOptions = _DEFAULT,
    response: Response,
    idempotency_key: str | None,
) -> JobResponse:
    """Queue `spec` for the caller and set the response's `Location`, `ETag` and replay headers."""

    def create(session: Session) -> JobRow:
        return queue(session, service, caller, spec, scheduling)

    content = spec.model_dump_json() + ("" if scheduling == _DEFAULT else _text_of(scheduling))
    created = create_once(
        service.engine, owner=caller.owner, key=idempotency_key, content=content, create=create
    )
    return answer(service, caller, created, response)


def retry_job(
    service: Service,
    caller: Caller,
    job_id: str,
    *,
    scheduling: SchedulingOptions,
    response: Response,
    idempotency_key: str | None,
) -> JobResponse:
    """Queue the specification of a final job again. The response is that of a submission."""

    def create(session: Session) -> JobRow:
        admit(session, Quotas.of(service.settings), owner=caller.owner)
        job = owned(session, JobRow, job_id, caller, noun="job")
        if job.kind not in KINDS:
            detail = (
                f"Job {job_id} cannot be retried, because this server does not know its kind {job.kind!r}; "
                f"it knows: {', '.join(KINDS)}. Update the server, or submit a job of a kind that it knows."
            )
            raise Problem(409, "unknown-kind", detail)
        if (gone := missing(session, job.spec)) is not None:
            detail = f"Job {job_id} cannot be retried, because it needs {gone}, which was deleted."
            raise Problem(409, "deleted", detail)
        return retry(session, job, scheduling, _origin())

    content = f"retry {job_id} {_text_of(scheduling)}"
    created = create_once(
        service.engine, owner=caller.owner, key=idempotency_key, content=content, create=create
    )
    return answer(service, caller, created, response)


def answer(service: Service, caller: Caller, created: Created[JobRow], response: Response) -> JobResponse:
    """The response for a job that was created now or by an earlier request, with its headers."""
    created.mark(response)
    if not created.replayed:
        _log.info("Queued %s.", created.resource_id, extra={"about": {"job_id": created.resource_id}})
    with reading(service.engine) as session:
        job = created.row or owned(session, JobRow, created.resource_id, caller, noun="job")
        if created.row is not None:
            service.waiting.expect(session, job)
        standing = standing_of(service, session, job)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers["ETag"] = standing.tag
    return standing.response()


@dataclass(frozen=True)
class Standing:
    """A job and what it waits for, as one answer shows them."""

    job: JobRow
    place: int | None
    obstacle: str | None

    @property
    def tag(self) -> str:
        """The ETag."""
        return job_tag(self.job, self.place, self.obstacle)

    def response(self) -> JobResponse:
        """The response body."""
        return JobResponse.of(self.job, self.place, waits_for=self.obstacle)


def standing_of(service: Service, session: Session, job: JobRow) -> Standing:
    """A job with its place in the queue and what keeps it from being claimed."""
    return Standing(job, service.waiting.place_of(session, job), service.waiting.obstacle_of(session, job))


def dry_run_spec(
    service: Service, caller: Caller, spec: JobSpec, scheduling: SchedulingOptions
) -> DryRunResponse:
    """Queue `spec` in a transaction, describe the job, and roll the transaction back."""
    with Session(service.engine) as session:
        job = queue(session, service, caller, spec, scheduling)
        dry_run = DryRunResponse(
            kind=spec.kind,
            spec=job.spec,
            resolved_spec=job.resolved_spec,
            queue_position=queue_order(session).place_of(job),
            waits_for=why_unclaimable(job, running_workers(session)),
            estimate=_estimate(session, job),
        )
        session.rollback()
    return dry_run


def queue(
    session: Session,
    service: Service,
    caller: Caller,
    spec: JobSpec,
    scheduling: SchedulingOptions = _DEFAULT,
) -> JobRow:
    """Prepare `spec` and queue it, in the caller's transaction.

    Raises:
        QuotaExceeded: the caller has reached the limit of queued jobs or of stored bytes.
    """
    admit(session, Quotas.of(service.settings), owner=caller.owner)
    prepared = prepare(session, service.settings, owner=caller.owner, spec=spec)
    return submit(
        session,
        owner=caller.owner,
        spec=prepared.spec,
        resolved=prepared.resolved,
        scheduling=scheduling,
        origin=_origin(),
    )


def _text_of(scheduling: SchedulingOptions) -> str:
    """Scheduling options as part of what an idempotency key stands for.

    The text is that of version 0.1.0, so that a request can be repeated after an upgrade.
    """
    return f"Terms(priority={scheduling.priority!r}, deadline_seconds={scheduling.deadline_seconds!r})"


def _origin() -> Origin:
    """The current request, as the origin of a job."""
    return Origin(log_lines.current("request_id"), current_trace_parent())


def _estimate(session: Session, job: JobRow) -> EstimateResponse | None:
    resolution = find(job.kind).resolution
    if resolution is None or resolution.estimate is None:
        return None
    estimate: Callable[[Session, JobRow], EstimateResponse] = pkgutil.resolve_name(resolution.estimate)
    return estimate(session, job)
