"""What in the artifact store nobody needs any more, as far as the database can tell. Nothing is removed here.

A row is the commit of its files, and is written after them. So files without a row are garbage once they are
so old that no row can be on its way, and no job runs any more that may have made them.
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
"""Where artifacts lie that have rows of their own."""
_MOST_AT_ONCE = 100


def take_turn(session: Session, *, at: datetime, every_seconds: float) -> bool:
    """Whether nobody has begun to collect within `every_seconds`; if so, note that the caller does now."""
    lock_name(session, COLLECTION_BEGAN)
    since = at.timestamp() - counters.values(session).get(COLLECTION_BEGAN, 0)
    if 0 <= since < every_seconds:
        return False
    counters.put(session, COLLECTION_BEGAN, int(at.timestamp()))
    return True


def jobs_to_collect(
    session: Session, *, before: datetime, after: tuple[datetime, str] | None = None
) -> Sequence[tuple[datetime, str]]:
    """Times and ids of jobs that ended `before` and have lost no checkpoint since; the page `after` one."""
    ended = (JobRow.finished_at <= before, JobRow.state.in_(sorted(FINAL)), JobRow.collected_at.is_(None))
    wanted = select(JobRow.finished_at, JobRow.id).where(*ended, ~_lost_a_checkpoint_since(before))
    if after is not None:
        place = tuple_(JobRow.finished_at, JobRow.id)
        wanted = wanted.where(place > after)
    page = session.execute(wanted.order_by(JobRow.finished_at, JobRow.id).limit(_MOST_AT_ONCE))
    return [(ended_at, job_id) for ended_at, job_id in page if ended_at is not None]


def mark_collected(session: Session, job_id: str, *, before: datetime, at: datetime) -> None:
    """Note that a job need not be looked at again, unless it has lost a checkpoint meanwhile."""
    job = session.get_one(JobRow, job_id, with_for_update=True)
    if not session.scalar(select(_lost_a_checkpoint_since(before)).where(JobRow.id == job_id)):
        job.collected_at = at
        session.flush()


def kept_checkpoints(session: Session, job_id: str) -> Sequence[str]:
    """Where those checkpoints of a job lie that are not deleted."""
    these = select(CheckpointRow.location).where(CheckpointRow.job_id == job_id)
    return session.scalars(these.where(CheckpointRow.deleted_at.is_(None))).all()


def orphans(
    session: Session, folder: str, entries: Collection[Entry], *, before: datetime
) -> Sequence[Entry]:
    """Those of what was found in one of `FOLDERS` that have no row, or a deleted one, since `before`.

    What is older than the first API key was not made with this database: somebody mixed up two.
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
    """An upload's location is that of the file in its folder."""
    return "/".join(location.split("/")[:2])


def _busy_since(session: Session, kinds: Sequence[str]) -> datetime | None:
    """When the oldest job of `kinds` began that still runs: what it has made may be on its way for long."""
    running = select(func.min(JobRow.started_at)).where(JobRow.state.in_(sorted(HELD)))
    return session.scalar(running.where(JobRow.kind.in_(kinds)))


def _lost_a_checkpoint_since(moment: datetime) -> Exists:
    return exists().where(CheckpointRow.job_id == JobRow.id, CheckpointRow.deleted_at > moment)
