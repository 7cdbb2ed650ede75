"""Log route of a job: what its programs wrote to standard error, during and after the run."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from api.auth import Reader
from api.bounded_json import BoundedJsonRoute
from api.ownership import owned
from api.paging import LARGEST_NUMBER
from api.problems import Problem
from api.schemas.logs import LogResponse, log_of
from api.service import ServiceOf
from core.jobs.database import reading
from core.jobs.ledger.job_logs import LogPage, read_log
from core.jobs.tables.jobs import JobRow

router = APIRouter(tags=["events"], route_class=BoundedJsonRoute)
_PAGE_BYTES = 2**18
_MAX_BYTES = 2**24
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "JSON. With `Accept: text/plain` the text alone: a remark line replaces omitted "
        'bytes, and a `Link` with `rel="next"` is set if more follows.',
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
}


@router.get("/jobs/{job_id}/logs", responses=_ANSWERS)
def read_logs(
    job_id: str,
    caller: Reader,
    service: ServiceOf,
    attempt: Annotated[
        int | None, Query(ge=1, le=LARGEST_NUMBER, description="Number of the attempt (default: the newest).")
    ] = None,
    offset: Annotated[
        int, Query(ge=0, le=LARGEST_NUMBER, description="Skip this many bytes of the log.")
    ] = 0,
    limit: Annotated[
        int | None,
        Query(
            ge=1024,
            le=_MAX_BYTES,
            description=f"Maximum number of bytes (default: {_PAGE_BYTES} as JSON, {_MAX_BYTES} as text).",
        ),
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> LogResponse:
    """Read what an attempt's program wrote to standard error. Works while it runs."""
    as_text = "text/plain" in accept
    max_bytes = limit or (_MAX_BYTES if as_text else _PAGE_BYTES)
    with reading(service.engine) as session:
        job = owned(session, JobRow, job_id, caller, noun="job")
        page = read_log(session, job_id, attempt=attempt, offset=offset, max_bytes=max_bytes)
    if page is None and attempt is not None:
        there = f"there are {job.attempt}" if job.attempt else "there is none yet"
        raise Problem(404, "not-found", f"Job {job_id} has no attempt {attempt}; {there}.")
    if as_text:
        return _text(job_id, page)  # type: ignore[return-value]
    return log_of(page, newest_attempt=job.attempt)


def _text(job_id: str, page: LogPage | None) -> Response:
    pieces = page.pieces if page else ()
    text = "".join((f"{piece.remark}\n" if piece.remark else "") + piece.text for piece in pieces)
    response = Response(text, media_type="text/plain; charset=utf-8")
    if page and page.has_more:
        following = f"/v1/jobs/{job_id}/logs?attempt={page.attempt}&offset={page.next_offset}"
        response.headers["Link"] = f'<{following}>; rel="next"'
    return response
