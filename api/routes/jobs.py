"""Job routes: submit, list, get, wait, cancel, pause, resume, retry; attempts, checkpoints and metrics."""

from collections.abc import Callable
from typing import Annotated

from anyio import current_time, sleep, to_thread
from fastapi import APIRouter, Body, Header, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth import Reader, Route, Submitter, caller_with
from api.conditional import names
from api.deleting import delete_row, remove_files
from api.event_stream import POLL_SECONDS
from api.kind_types import KindFilter, SubmittedSpec
from api.known_keys import Caller
from api.ownership import owned, owned_checkpoint
from api.paging import LARGEST_NUMBER, PageQuery, link_next, page_of
from api.problems import not_found
from api.schemas.base import Page
from api.schemas.jobs import (
    AttemptList,
    CheckpointList,
    CheckpointResponse,
    DryRunResponse,
    JobResponse,
    MetricList,
    attempt_of,
    metric_of,
)
from api.service import Service, ServiceOf, service_of
from api.submission.idempotency import IdempotencyKey
from api.submission.scheduling import SchedulingOf
from api.submission.submitting import dry_run_spec, retry_job, standing_of, submit_spec
from core.jobs.database import reading, transaction
from core.jobs.ledger import submissions
from core.jobs.ledger.reports import checkpoints_of
from core.jobs.scopes import Scope
from core.jobs.states import FINAL, State
from core.jobs.tables.jobs import JobAttemptRow, JobMetricRow, JobRow
from core.specs.fields import Name

router = APIRouter(tags=["jobs"], route_class=Route)
_MAX_WAIT_SECONDS = 60.0


class JobQuery(PageQuery):
    """Which jobs to list."""

    state: State | None = None
    """Only jobs in this state."""
    kind: KindFilter | None = None
    """Only jobs of this kind."""


@router.post(
    "/jobs", status_code=201, responses={200: {"model": DryRunResponse, "description": "A dry run."}}
)
def submit_job(
    response: Response,
    spec: Annotated[SubmittedSpec, Body()],
    caller: Submitter,
    service: ServiceOf,
    scheduling: SchedulingOf,
    idempotency_key: IdempotencyKey = None,
    dry_run: Annotated[
        bool, Query(description="Validate the job and return what would be queued, without queueing it.")
    ] = False,
) -> JobResponse:
    """Submit a job. Refer to corpora and encoders by id or by name."""
    if dry_run:
        dry_run_answer = dry_run_spec(service, caller, spec, scheduling)
        return Response(dry_run_answer.model_dump_json(), media_type="application/json")  # type: ignore[return-value]
    job = submit_spec(
        service, caller, spec, scheduling=scheduling, response=response, idempotency_key=idempotency_key
    )
    return _as_json(job, response, 201)  # type: ignore[return-value]


@router.get("/jobs")
def list_jobs(
    request: Request,
    response: Response,
    query: Annotated[JobQuery, Query()],
    caller: Reader,
    service: ServiceOf,
) -> Page[JobResponse]:
    """List your jobs, newest first."""
    these = select(JobRow).where(JobRow.owner == caller.owner)
    if query.state is not None:
        these = these.where(JobRow.state == query.state)
    if query.kind is not None:
        these = these.where(JobRow.kind == query.kind)
    with reading(service.engine) as session:
        rows, next_cursor = page_of(session, these, JobRow, query)
        jobs = [JobResponse.of(row, service.waiting.place_of(session, row)) for row in rows]
    link_next(request, response, next_cursor)
    page = Page[JobResponse](data=jobs, next_cursor=next_cursor, has_more=next_cursor is not None)
    return _as_json(page, response)  # type: ignore[return-value]


@router.get(
    "/jobs/{job_id}", responses={304: {"description": "The job still has the ETag in If-None-Match."}}
)
async def get_job(
    request: Request,
    job_id: str,
    wait: Annotated[
        float,
        Query(
            ge=0,
            le=_MAX_WAIT_SECONDS,
            description="Long poll: wait at most this many seconds until the job's ETag differs from "
            "If-None-Match or, without that header, until the job is final.",
        ),
    ] = 0,
    if_none_match: Annotated[str | None, Header(description="ETag of an earlier response.")] = None,
) -> JobResponse:
    """Get a job, or wait until it changes."""
    caller, service = caller_with(request, Scope.READ), await service_of(request)
    deadline = current_time() + wait
    while True:
        answer, settled = await to_thread.run_sync(_poll_job, service, caller, job_id, if_none_match)
        if settled or current_time() >= deadline or service.stopping.is_set():
            return answer  # type: ignore[return-value]
        await sleep(min(POLL_SECONDS, max(deadline - current_time(), 0)))


@router.post("/jobs/{job_id}/cancel", status_code=202)
def cancel_job(job_id: str, caller: Submitter, service: ServiceOf) -> JobResponse:
    """Cancel a job. Its last checkpoint stays. Idempotent."""
    return _apply(service, caller, job_id, submissions.cancel)


@router.post("/jobs/{job_id}/pause", status_code=202)
def pause_job(job_id: str, caller: Submitter, service: ServiceOf) -> JobResponse:
    """Pause a running job: save a checkpoint and free its worker. Idempotent."""
    return _apply(service, caller, job_id, submissions.pause)


@router.post("/jobs/{job_id}/resume", status_code=202)
def resume_job(job_id: str, caller: Submitter, service: ServiceOf) -> JobResponse:
    """Queue a paused job again. It resumes from its checkpoint. Idempotent."""
    return _apply(service, caller, job_id, submissions.resume)


@router.post("/jobs/{job_id}/retry", status_code=201)
def retry_final_job(
    response: Response,
    job_id: str,
    caller: Submitter,
    service: ServiceOf,
    scheduling: SchedulingOf,
    idempotency_key: IdempotencyKey = None,
) -> JobResponse:
    """Retry a final job: queue its specification again as a new job that names it in `retry_of`.

    The retry of a failed or cancelled job resumes from the last checkpoint. While a retry is not final,
    repeating this request returns that retry.
    """
    return retry_job(
        service, caller, job_id, scheduling=scheduling, response=response, idempotency_key=idempotency_key
    )


@router.get("/jobs/{job_id}/attempts")
def list_attempts(job_id: str, caller: Reader, service: ServiceOf) -> AttemptList:
    """List the attempts of a job, oldest first."""
    with reading(service.engine) as session:
        owned(session, JobRow, job_id, caller, noun="job")
        these = select(JobAttemptRow).where(JobAttemptRow.job_id == job_id)
        rows = session.scalars(these.order_by(JobAttemptRow.attempt)).all()
    return AttemptList(data=[attempt_of(row) for row in rows])


@router.get("/jobs/{job_id}/checkpoints", tags=["checkpoints"])
def list_checkpoints(job_id: str, caller: Reader, service: ServiceOf) -> CheckpointList:
    """List a job's committed checkpoints, newest first. Deleted ones are left out."""
    with reading(service.engine) as session:
        owned(session, JobRow, job_id, caller, noun="job")
        rows = checkpoints_of(session, job_id)
    return CheckpointList(data=[CheckpointResponse.of(row) for row in rows])


@router.get("/checkpoints/{checkpoint_id}", tags=["checkpoints"])
def get_checkpoint(checkpoint_id: str, caller: Reader, service: ServiceOf) -> CheckpointResponse:
    """Get a checkpoint."""
    with reading(service.engine) as session:
        return CheckpointResponse.of(owned_checkpoint(session, checkpoint_id, caller))


@router.post("/checkpoints/{checkpoint_id}/pin", tags=["checkpoints"])
def pin_checkpoint(checkpoint_id: str, caller: Submitter, service: ServiceOf) -> CheckpointResponse:
    """Pin a checkpoint: keep it regardless of the run's retention rules. Idempotent."""
    return _set_pinned(service, caller, checkpoint_id, pinned=True)


@router.post("/checkpoints/{checkpoint_id}/unpin", tags=["checkpoints"])
def unpin_checkpoint(checkpoint_id: str, caller: Submitter, service: ServiceOf) -> CheckpointResponse:
    """Unpin a checkpoint: the run's retention rules apply to it again. Idempotent."""
    return _set_pinned(service, caller, checkpoint_id, pinned=False)


@router.delete("/checkpoints/{checkpoint_id}", status_code=204, tags=["checkpoints"])
def delete_checkpoint(checkpoint_id: str, caller: Submitter, service: ServiceOf) -> None:
    """Delete a checkpoint. An encoder exported from it stays. Idempotent.

    Refused with 409 and their `job_ids` while its job or a retry of that job is unfinished.
    """
    with transaction(service.engine) as session:
        location = delete_row(session, owned_checkpoint(session, checkpoint_id, caller, also_deleted=True))
    remove_files(service, location)


@router.get("/jobs/{job_id}/metrics")
def list_metrics(
    job_id: str,
    caller: Reader,
    service: ServiceOf,
    name: Annotated[Name | None, Query(description="Only this metric, such as `loss`.")] = None,
    after_step: Annotated[
        int, Query(ge=-1, le=LARGEST_NUMBER, description="Only steps after this step.")
    ] = -1,
    limit: Annotated[int, Query(ge=100, le=10_000, description="Maximum number of values.")] = 10_000,
) -> MetricList:
    """List a job's metrics by step. A page has all values of a step or none."""
    with reading(service.engine) as session:
        owned(session, JobRow, job_id, caller, noun="job")
        rows = list(
            submissions.metrics_of(session, job_id, name=name, after_step=after_step, limit=limit + 1)
        )
    whole = _whole_steps(rows, limit)
    reached = whole[-1].step if whole else after_step
    return MetricList(
        data=[metric_of(row) for row in whole], next_after_step=reached, has_more=len(whole) < len(rows)
    )


def _as_json(model: BaseModel, response: Response, status: int = 200) -> Response:
    """A response that is dumped here, once: FastAPI would validate the model again before."""
    return Response(model.model_dump_json(), status, response.headers, "application/json")


def _poll_job(
    service: Service, caller: Caller, job_id: str, if_none_match: str | None
) -> tuple[Response, bool]:
    """The answer to a poll, and whether it is what a long poll waits for."""
    with reading(service.engine) as session:
        job = owned(session, JobRow, job_id, caller, noun="job")
        standing = standing_of(service, session, job)
    if names(if_none_match, standing.tag):
        return Response(status_code=304, headers={"ETag": standing.tag}), False
    headers = {"ETag": standing.tag, "Cache-Control": "private, no-cache"}
    body = standing.response().model_dump_json()
    changed = if_none_match is not None or job.state in FINAL
    return Response(body, headers=headers, media_type="application/json"), changed


def _apply(
    service: Service, caller: Caller, job_id: str, action: Callable[[Session, JobRow], JobRow]
) -> JobResponse:
    with transaction(service.engine) as session:
        action(session, owned(session, JobRow, job_id, caller, noun="job"))
    with reading(service.engine) as session:
        job = owned(session, JobRow, job_id, caller, noun="job")
        service.waiting.note_change(session, job)
        return standing_of(service, session, job).response()


def _set_pinned(service: Service, caller: Caller, checkpoint_id: str, *, pinned: bool) -> CheckpointResponse:
    with transaction(service.engine) as session:
        row = owned_checkpoint(session, checkpoint_id, caller)
        session.refresh(row, with_for_update=True)
        if row.deleted_at is not None:  # deleted between the two queries
            raise not_found("checkpoint", checkpoint_id)
        row.pinned = pinned
        session.flush()
        return CheckpointResponse.of(row)


def _whole_steps(rows: list[JobMetricRow], limit: int) -> list[JobMetricRow]:
    if len(rows) <= limit:
        return rows
    return [row for row in rows if row.step < rows[-1].step]
