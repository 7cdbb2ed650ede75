"""Quotas per owner: queued jobs and stored bytes, so that no owner exhausts shared resources."""

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from core.errors import QuotaExceeded
from core.jobs.settings import Settings
from core.jobs.states import State
from core.jobs.tables.artifacts import CheckpointRow, CorpusRow, EncoderRow, UploadRow
from core.jobs.tables.jobs import JobRow

_NUM_QUEUED = select(func.count()).where(JobRow.owner == bindparam("owner"), JobRow.state == State.QUEUED)


@dataclass(frozen=True)
class Quotas:
    """Limits of each owner. None is no limit. The limit of running jobs is checked by `leases.claim`."""

    max_queued: int | None = None
    max_stored_bytes: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Quotas":
        """The limits in the settings."""
        return cls(settings.max_queued_per_owner, settings.max_stored_bytes_per_owner)


def admit(session: Session, quotas: Quotas, *, owner: str) -> None:
    """Check that `owner` may queue one more job.

    Raises:
        QuotaExceeded: the limit of queued jobs is reached, or no storage is left for the job's results.
    """
    queued = count_queued(session, owner)
    if quotas.max_queued is not None and queued >= quotas.max_queued:
        raise QuotaExceeded(
            f"You have {queued} queued jobs, and the limit is {quotas.max_queued}. Wait until some have "
            "started, cancel some, or raise SIGNFORGE_MAX_QUEUED_PER_OWNER on the server.",
            passes=True,
        )
    make_room(session, quotas, owner=owner, more_bytes=0)


def make_room(session: Session, quotas: Quotas, *, owner: str, more_bytes: int) -> None:
    """Check that `owner` may store `more_bytes` more.

    Raises:
        QuotaExceeded: the limit of stored bytes would be exceeded.
    """
    room = room_left(session, quotas, owner)
    if room is None or quotas.max_stored_bytes is None:
        return
    stored = quotas.max_stored_bytes - room
    if more_bytes > room or room <= 0:
        raise QuotaExceeded(
            f"You store {stored:,} bytes, and {more_bytes:,} more would exceed the limit of "
            f"{quotas.max_stored_bytes:,} bytes. Delete uploads, corpora, checkpoints or encoders that you "
            "no longer need, or raise SIGNFORGE_MAX_STORED_BYTES_PER_OWNER on the server.",
            passes=False,
        )


def room_left(session: Session, quotas: Quotas, owner: str) -> int | None:
    """Bytes that `owner` may still store. None without a limit."""
    if quotas.max_stored_bytes is None:
        return None
    return quotas.max_stored_bytes - stored_bytes(session, owner)


def count_queued(session: Session, owner: str) -> int:
    """Number of queued jobs of `owner`."""
    return session.scalars(_NUM_QUEUED, {"owner": owner}).one()


def stored_bytes(session: Session, owner: str) -> int:
    """Bytes of everything that `owner` has in the artifact store."""
    tables = (UploadRow, CorpusRow, EncoderRow)
    own = [
        select(func.sum(table.size_bytes)).where(table.owner == owner, table.deleted_at.is_(None))
        for table in tables
    ]
    kept = select(func.sum(CheckpointRow.size_bytes)).join(JobRow, JobRow.id == CheckpointRow.job_id)
    own.append(kept.where(JobRow.owner == owner, CheckpointRow.deleted_at.is_(None)))
    return sum(int(session.execute(part).scalar_one() or 0) for part in own)
