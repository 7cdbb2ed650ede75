"""What the API sends of a program's log. The docstring under a field is its OpenAPI description."""

from datetime import datetime

from api.schemas.base import Sent
from core.jobs.ledger.job_logs import LogPage


class LogPieceResponse(Sent):
    """A piece of a log."""

    offset: int
    """Bytes of the attempt's log before it, in UTF-8."""
    text: str
    """What was written; bytes that are no UTF-8, and NUL, stand as `?`."""
    left_out_bytes: int
    """Bytes right before it that are not kept."""
    remark: str | None
    """A line to show in their place."""
    created_at: datetime
    """When the first of it was stored."""


class LogResponse(Sent):
    """A part of what one attempt's program wrote to standard error."""

    data: list[LogPieceResponse]
    """The pieces, in order."""
    attempt: int
    """The attempt they are of; 0 if nobody has tried yet."""
    newest_attempt: int
    """The job's newest attempt."""
    next_offset: int
    """Send it as `offset` to get what follows."""
    has_more: bool
    """Whether more follows already."""
    is_over: bool
    """Whether the attempt has ended, so that nothing more will be written."""


def log_of(page: LogPage | None, *, newest_attempt: int) -> LogResponse:
    """A page as it is sent; None is the log of a job that nobody has tried yet."""
    if page is None:
        return LogResponse(data=[], attempt=0, newest_attempt=0, next_offset=0, has_more=False, is_over=False)
    return LogResponse(
        data=[LogPieceResponse.model_validate(piece) for piece in page.pieces],
        attempt=page.attempt,
        newest_attempt=newest_attempt,
        next_offset=page.next_offset,
        has_more=page.has_more,
        is_over=page.is_over,
    )
