"""Response bodies about a program's log. The docstring under a field is its OpenAPI description."""

from datetime import datetime

from api.schemas.base import Sent
from core.jobs.ledger.job_logs import LogPage


class LogPieceResponse(Sent):
    """A piece of a log."""

    offset: int
    """Byte offset of the piece in the attempt's log, in UTF-8."""
    text: str
    """Text of the piece. Bytes that are not UTF-8 and NUL are replaced by `?`."""
    left_out_bytes: int
    """Number of bytes directly before the piece that were not stored."""
    remark: str | None
    """A line to show instead of these bytes."""
    created_at: datetime
    """When the start of the piece was stored."""


class LogResponse(Sent):
    """A part of what one attempt's program wrote to standard error."""

    data: list[LogPieceResponse]
    """The pieces, in order."""
    attempt: int
    """Number of the attempt. 0 if the job has had none."""
    newest_attempt: int
    """Number of the job's newest attempt."""
    next_offset: int
    """`offset` of the next page."""
    has_more: bool
    """Whether more is available now."""
    is_over: bool
    """Whether the attempt has ended, so its log is complete."""


def log_of(page: LogPage | None, *, newest_attempt: int) -> LogResponse:
    """The response body of a page. None is the log of a job without attempts."""
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
