"""Event route of a job: a server-sent event stream, or pages of JSON."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.sse import EventSourceResponse

from api.auth import Reader
from api.bounded_json import BoundedJsonRoute
from api.event_stream import event_stream, poll_events
from api.ownership import owned
from api.paging import LARGEST_NUMBER
from api.schemas.jobs import EventPage, event_of
from api.service import ServiceOf
from core.jobs.database import reading
from core.jobs.ledger.submissions import events_after
from core.jobs.tables.jobs import JobRow

router = APIRouter(tags=["events"], route_class=BoundedJsonRoute)
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "JSON. With `Accept: text/event-stream` a stream of server-sent events: `id` is the "
        "sequence and `event` the type. The stream ends after the job's last event.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "The job is final and has no event after `after`. Do not reconnect."},
}


@router.get("/jobs/{job_id}/events", responses=_ANSWERS)
def list_events(
    job_id: str,
    caller: Reader,
    service: ServiceOf,
    after: Annotated[int, Query(ge=0, le=LARGEST_NUMBER, description="Only events after this sequence.")] = 0,
    limit: Annotated[
        int, Query(ge=1, le=1000, description="Maximum number of events on a page of JSON.")
    ] = 100,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    last_event_id: Annotated[
        int | None,
        Header(
            ge=0,
            le=LARGEST_NUMBER,
            description="Sequence after which a stream resumes. Takes precedence over `after`.",
        ),
    ] = None,
) -> EventPage:
    """Stream or list the events of a job."""
    with reading(service.engine) as session:
        owned(session, JobRow, job_id, caller, noun="job")
        if "text/event-stream" not in accept:
            rows = [event_of(row) for row in events_after(session, job_id, after, limit + 1)]
            page = rows[:limit]
            reached = page[-1].sequence if page else after
            return EventPage(data=page, next_after=reached, has_more=len(rows) > limit)
    start = after if last_event_id is None else last_event_id
    poll = poll_events(service, job_id, start, limit=1)
    if poll.finished and not poll.events:
        return Response(status_code=204)  # type: ignore[return-value]
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    stream = event_stream(service, job_id, start)
    return EventSourceResponse(stream, headers=headers)  # type: ignore[return-value]
