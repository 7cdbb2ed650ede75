"""What one owner may have at a time, so that nobody fills the queue, the workers or the disk for all."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.errors import QuotaExceeded
from core.jobs.settings import Settings
from core.jobs.states import State
from core.jobs.tables.artifacts import CheckpointRow, CorpusRow, EncoderRow, UploadRow
from core.jobs.tables.jobs import JobRow


@dataclass(frozen=True)
class Quotas:
    """Limits for each owner; None is no limit. How many jobs may run is part of a claim, see `leases`."""

    max_queued: int | None = None
    max_stored_bytes: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Quotas":
        """The limits that the settings say."""
        return cls(settings.max_queued_per_owner, settings.max_stored_bytes_per_owner)


def admit(session: Session, quotas: Quotas, *, owner: str) -> None:
    """Let `owner` queue one more job.

    Raises:
        QuotaExceeded: they have as many queued as they may, or no room left for what it would make.
    """
    queued = count_queued(session, owner)
    if quotas.max_queued is not None and queued >= quotas.max_queued:
        raise QuotaExceeded(
            f"You have {queued} jobs queued, and the limit is {quotas.max_queued}. Wait for some to start, "
            "cancel some, or have SIGNFORGE_MAX_QUEUED_PER_OWNER raised.",
            passes=True,
        )
    make_room(session, quotas, owner=owner, more_bytes=0)


def make_room(session: Session, quotas: Quotas, *, owner: str, more_bytes: int) -> None:
    """Let `owner` store `more_bytes` more.

    Raises:
        QuotaExceeded: that would be more than they may store.
    """
    room = room_left(session, quotas, owner)
    if room is None or quotas.max_stored_bytes is None:
        return
    stored = quotas.max_stored_bytes - room
    if more_bytes > room or room <= 0:
        raise QuotaExceeded(
            f"You store {stored:,} bytes, and {more_bytes:,} more would pass the limit of "
            f"{quotas.max_stored_bytes:,} bytes. Delete uploads, corpora, checkpoints or encoders that you "
            "no longer need, or have SIGNFORGE_MAX_STORED_BYTES_PER_OWNER raised.",
            passes=False,
        )


def room_left(session: Session, quotas: Quotas, owner: str) -> int | None:
    """Bytes that `owner` may still store; None where nothing limits them."""
    if quotas.max_stored_bytes is None:
        return None
    return quotas.max_stored_bytes - stored_bytes(session, owner)


def count_queued(session: Session, owner: str) -> int:
    """How many jobs of `owner` wait for a worker."""
    waiting = select(func.count()).where(JobRow.owner == owner, JobRow.state == State.QUEUED)
    return session.execute(waiting).scalar_one()


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
