"""Logs of a job's programs (standard error): stored in pieces, read by byte offset.

An offset counts the bytes of an attempt's log before a position. Deleted pieces leave a gap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from core.jobs.database import now
from core.jobs.ledger.fence import Lease, conditions, lost
from core.jobs.ledger.log_text import LONGEST_CHARACTER, begun, clean, complete
from core.jobs.states import HELD
from core.jobs.tables.jobs import JobAttemptRow, JobLogRow, JobRow

PIECE_BYTES = 2**14
"""Maximum size of a row. Rows grow up to it, so that many short lines make few rows."""


@dataclass(frozen=True)
class LogPiece:
    """Text of a log from `offset` on. The `left_out_bytes` directly before it were not kept."""

    offset: int
    text: str
    left_out_bytes: int
    created_at: datetime

    @property
    def remark(self) -> str | None:
        """The line to show instead of the omitted bytes, or None."""
        if not self.left_out_bytes:
            return None
        return (
            f"[{self.left_out_bytes:,} bytes are left out here: only the newest "
            "SIGNFORGE_MAX_LOG_BYTES_PER_JOB bytes of a job's log are kept.]"
        )


@dataclass(frozen=True)
class LogPage:
    """A part of one attempt's log."""

    attempt: int
    pieces: tuple[LogPiece, ...]
    next_offset: int
    has_more: bool
    """Whether more is stored now."""
    is_over: bool
    """Whether the attempt has ended, so its log is complete."""


def append_log(
    session: Session, lease: Lease, raw: bytes, *, attempt: int, offset: int, max_bytes_per_job: int
) -> None:
    """Store the log of `attempt` (this lease's attempt or an earlier one) from `offset` on.

    Idempotent: bytes that are already stored are skipped, so a write with a lost response may be repeated.
    Beyond `max_bytes_per_job` the job's oldest pieces are deleted. The last piece of each attempt is kept.

    Raises:
        LeaseLost: the lease no longer holds.
    """
    fence = select(JobRow.id).where(*conditions(lease, HELD)).with_for_update()
    if session.execute(fence).one_or_none() is None:
        raise lost(lease)
    last = _last_piece(session, lease.job_id, attempt)
    known = max(_end(last) - offset, 0)
    text, start = clean(raw)[known:], offset + known
    while text:
        if last is None or _end(last) != start or last.num_bytes > PIECE_BYTES - LONGEST_CHARACTER:
            last = _new_piece(session, lease.job_id, attempt, start)
        part = complete(text[: PIECE_BYTES - last.num_bytes])
        last.text += part.decode()
        last.num_bytes += len(part)
        text, start = text[len(part) :], start + len(part)
    session.flush()
    _leave_out_oldest(session, lease.job_id, max_bytes_per_job)


def stored_until(session: Session, job_id: str, attempt: int) -> int:
    """The offset up to which an attempt's log is stored."""
    return _end(_last_piece(session, job_id, attempt))


def read_log(
    session: Session, job_id: str, *, attempt: int | None = None, offset: int = 0, max_bytes: int
) -> LogPage | None:
    """A page of an attempt's log from `offset` on: whole characters, at most `max_bytes` (four or more).

    Without `attempt` it is the newest one. Returns None if there is no such attempt.
    """
    these = select(JobAttemptRow).where(JobAttemptRow.job_id == job_id)
    if attempt is not None:
        these = these.where(JobAttemptRow.attempt == attempt)
    row = session.scalars(these.order_by(JobAttemptRow.attempt.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    pieces = tuple(_pieces(session, row, offset, max_bytes))
    reached = pieces[-1].offset + len(pieces[-1].text.encode()) if pieces else offset
    has_more = reached < stored_until(session, job_id, row.attempt)
    return LogPage(row.attempt, pieces, reached, has_more, row.ended_at is not None)


def _pieces(session: Session, row: JobAttemptRow, offset: int, max_bytes: int) -> Iterator[LogPiece]:
    these = select(JobLogRow).filter_by(job_id=row.job_id, attempt=row.attempt)
    these = these.where(JobLogRow.offset + JobLogRow.num_bytes > offset).order_by(JobLogRow.offset)
    room = max_bytes
    for piece in session.scalars(these.limit(max_bytes // PIECE_BYTES + 2)):
        rest, start = piece.text.encode(), max(piece.offset, offset)
        rest = rest[start - piece.offset :]
        part = complete(rest[begun(rest) :][:room])
        if part:
            yield LogPiece(start + begun(rest), part.decode(), start - offset, piece.created_at)
        room, offset = room - len(part), start + begun(rest) + len(part)
        if offset < _end(piece):
            return


def _last_piece(session: Session, job_id: str, attempt: int) -> JobLogRow | None:
    these = select(JobLogRow).filter_by(job_id=job_id, attempt=attempt)
    return session.scalars(these.order_by(JobLogRow.offset.desc()).limit(1)).one_or_none()


def _new_piece(session: Session, job_id: str, attempt: int, offset: int) -> JobLogRow:
    piece = JobLogRow(
        job_id=job_id, attempt=attempt, offset=offset, num_bytes=0, text="", created_at=now(session)
    )
    session.add(piece)
    return piece


def _end(piece: JobLogRow | None) -> int:
    return piece.offset + piece.num_bytes if piece else 0


def _leave_out_oldest(session: Session, job_id: str, max_bytes: int) -> None:
    total = select(func.sum(JobLogRow.num_bytes)).where(JobLogRow.job_id == job_id)
    excess = int(session.execute(total).scalar_one() or 0) - max_bytes
    if excess <= 0:
        return
    sizes = select(JobLogRow.attempt, JobLogRow.offset, JobLogRow.num_bytes)
    oldest_first = sizes.where(JobLogRow.job_id == job_id).order_by(JobLogRow.attempt, JobLogRow.offset)
    rows = session.execute(oldest_first).all()
    last = {attempt: offset for attempt, offset, _ in rows}
    for attempt, offset, num_bytes in rows:
        if excess <= 0:
            return
        if offset != last[attempt]:
            this = delete(JobLogRow).filter_by(job_id=job_id, attempt=attempt, offset=offset)
            session.execute(this)
            excess -= num_bytes
