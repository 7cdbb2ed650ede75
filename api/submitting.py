"""Turning a prepared specification into a job, once; shared by `/v1/jobs` and `/v1/corpora`."""

from fastapi import Response
from sqlalchemy.orm import Session

from api.auth import Caller
from api.conditional import job_tag
from api.idempotency import Created, create_once
from api.ownership import owned
from api.preparation import prepare
from api.schemas import DryRunResponse, JobResponse
from api.service import Service
from core.jobs.database import reading
from core.jobs.submissions import queue_position, submit
from core.jobs.tables import JobRow
from core.specs import JobSpec


def submit_spec(
    service: Service, caller: Caller, spec: JobSpec, *, response: Response, idempotency_key: str | None
) -> JobResponse:
    """Queue `spec` for the caller and set the answer's `Location`, `ETag` and replay headers."""

    def create(session: Session) -> str:
        return queue(session, service, caller, spec).id

    created = create_once(
        service.engine, owner=caller.owner, key=idempotency_key, content=spec.model_dump_json(), create=create
    )
    return answer(service, caller, created, response)


def answer(service: Service, caller: Caller, created: Created, response: Response) -> JobResponse:
    """The job that was created, now or before, and the headers that go with it."""
    created.mark(response)
    with reading(service.engine) as session:
        job = owned(session, JobRow, created.resource_id, caller, noun="job")
        position = queue_position(session, job)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers["ETag"] = job_tag(job, position)
    return JobResponse.of(job, position)


def rehearse(service: Service, caller: Caller, spec: JobSpec) -> DryRunResponse:
    """Queue `spec`, look at what became of it, and take it back before anybody can see it."""
    with Session(service.engine) as session:
        job = queue(session, service, caller, spec)
        dry_run = DryRunResponse(
            kind=spec.kind,
            spec=job.spec,
            resolved_spec=job.resolved_spec,
            queue_position=queue_position(session, job),
        )
        session.rollback()
    return dry_run


def queue(session: Session, service: Service, caller: Caller, spec: JobSpec) -> JobRow:
    """Prepare `spec` and queue it, in the caller's transaction."""
    prepared = prepare(session, service.settings, owner=caller.owner, spec=spec)
    return submit(session, owner=caller.owner, spec=prepared.spec, resolved=prepared.resolved)
