"""Worker route: list the workers that run jobs."""

from fastapi import APIRouter
from sqlalchemy import and_, select

from api.auth import Reader
from api.bounded_json import BoundedJsonRoute
from api.schemas.library import WorkerList, WorkerResponse
from api.service import ServiceOf
from core.jobs.database import reading
from core.jobs.states import HELD
from core.jobs.tables.jobs import JobRow, WorkerRow

router = APIRouter(tags=["workers"], route_class=BoundedJsonRoute)


@router.get("/workers")
def list_workers(caller: Reader, service: ServiceOf) -> WorkerList:
    """List the workers by their last heartbeat, newest first. A worker's job is shown to its owner only."""
    holds = and_(JobRow.id == WorkerRow.job_id, JobRow.state.in_([state.value for state in HELD]))
    query = select(WorkerRow, JobRow).outerjoin(JobRow, holds)
    with reading(service.engine) as session:
        rows = session.execute(query.order_by(WorkerRow.seen_at.desc(), WorkerRow.name)).all()
    return WorkerList(data=[WorkerResponse.of(row, job, caller.owner) for row, job in rows])
