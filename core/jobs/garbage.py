"""Queries of garbage collection: which files of the artifact store are unused. Nothing is removed here.

A row commits its files and is written after them. So files without a row are garbage once they are too old
for a pending commit, and once every job that may have written them has ended.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Exists, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session

from core.jobs import counters
from core.jobs.counters import COLLECTION_BEGAN
from core.jobs.database import lock_name
from core.jobs.job_kind import Artifact
from core.jobs.kinds import makers
from core.jobs.states import FINAL, HELD
from core.jobs.storage.clearing import Entry
from core.jobs.tables.access import ApiKeyRow
from core.jobs.tables.artifacts import ROW_TYPES, CheckpointRow
from core.jobs.tables.jobs import JobRow

FOLDERS = tuple(artifact.value for artifact in ROW_TYPES)
"""Folders of artifacts that have rows of their own."""
_PAGE_SIZE = 100


def take_turn(session: Session, *, at: datetime, every_seconds: float) -> bool:
    """Claim the next collection if none has begun within `every_seconds`. Returns whether it was claimed."""
    lock_name(session, COLLECTION_BEGAN)
    since = at.timestamp() - counters.values(session).get(COLLECTION_BEGAN, 0)
    if 0 <= since < every_seconds:
        return False
    counters.put(session, COLLECTION_BEGAN, int(at.timestamp()))
    return True


def jobs_to_collect(
    session: Session, *, before: datetime, after: tuple[datetime, str] | None = None
) -> Sequence[tuple[datetime, str]]:
    """Times and ids of jobs that ended `before` with no checkpoint deleted since: the page `after` a key."""
    ended = (JobRow.finished_at <= before, JobRow.state.in_(sorted(FINAL)), JobRow.collected_at.is_(None))
    wanted = select(JobRow.finished_at, JobRow.id).where(*ended, ~_lost_a_checkpoint_since(before))
    if after is not None:
        place = tuple_(JobRow.finished_at, JobRow.id)
        wanted = wanted.where(place > after)
    page = session.execute(wanted.order_by(JobRow.finished_at, JobRow.id).limit(_PAGE_SIZE))
    return [(ended_at, job_id) for ended_at, job_id in page if ended_at is not None]


def mark_collected(session: Session, job_id: str, *, before: datetime, at: datetime) -> None:
    """Mark a job as collected, unless one of its checkpoints was deleted since `before`."""
    job = session.get_one(JobRow, job_id, with_for_update=True)
    if not session.scalar(select(_lost_a_checkpoint_since(before)).where(JobRow.id == job_id)):
        job.collected_at = at
        session.flush()


def kept_checkpoints(session: Session, job_id: str) -> Sequence[str]:
    """Locations of a job's checkpoints that are not deleted."""
    these = select(CheckpointRow.location).where(CheckpointRow.job_id == job_id)
    return session.scalars(these.where(CheckpointRow.deleted_at.is_(None))).all()


def orphans(
    session: Session, folder: str, entries: Collection[Entry], *, before: datetime
) -> Sequence[Entry]:
    """The `entries` of one of `FOLDERS` that have had no row, or a deleted one, since `before`.

    Entries older than the first API key are kept: they belong to another database that used this store.
    """
    began = session.scalar(select(func.min(ApiKeyRow.created_at)))
    if began is None:
        return []
    artifact = Artifact(folder)
    busy_since = _busy_since(session, makers(artifact))
    table = ROW_TYPES[artifact]
    needed = or_(table.deleted_at.is_(None), table.deleted_at > before)
    known = {_entry_of(location) for location in session.scalars(select(table.location).where(needed))}
    until = before if busy_since is None else min(before, busy_since)
    return [entry for entry in entries if began <= entry.changed_at <= until and entry.location not in known]


def _entry_of(location: str) -> str:
    """The entry of a location: its first two parts. An upload's location has a third, its file."""
    return "/".join(location.split("/")[:2])


def _busy_since(session: Session, kinds: Sequence[str]) -> datetime | None:
    """When the oldest running job of `kinds` started: the commit of its files may take long."""
    running = select(func.min(JobRow.started_at)).where(JobRow.state.in_(sorted(HELD)))
    return session.scalar(running.where(JobRow.kind.in_(kinds)))


def _lost_a_checkpoint_since(moment: datetime) -> Exists:
    return exists().where(CheckpointRow.job_id == JobRow.id, CheckpointRow.deleted_at > moment)
