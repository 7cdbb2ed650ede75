"""Deleting uploads, corpora, encoders and checkpoints.

A row stays, marked, because jobs, encoders and evaluations refer to it; its files go after the commit. What a
job that has not ended needs cannot be deleted: its row is locked here, and by whoever submits such a job.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from core.errors import InUse
from core.jobs.database import now
from core.jobs.job_kind import Artifact
from core.jobs.kinds import fields_referring_to
from core.jobs.states import FINAL
from core.jobs.tables.artifacts import ROW_TYPES, CheckpointRow, CorpusRow, EncoderRow, UploadRow
from core.jobs.tables.jobs import JobRow

DeletableT = TypeVar("DeletableT", UploadRow, CorpusRow, EncoderRow, CheckpointRow)
_MOST_TOLD = 20


def delete(session: Session, row: DeletableT) -> None:
    """Mark `row` as deleted; repeating it is harmless. Its files are the caller's to remove.

    Raises:
        InUse: jobs that have not ended need it.
    """
    session.refresh(row, with_for_update=True)
    if row.deleted_at is not None:
        return
    if users := _jobs_that_need(session, row):
        told = ", ".join(users[:_MOST_TOLD])
        raise InUse(f"{row.id} is needed by {told}. Wait for them to end, or cancel them.", job_ids=users)
    row.deleted_at = now(session)
    if isinstance(row, CheckpointRow):  # in case its files resist
        again = update(JobRow).where(JobRow.id == row.job_id).values(collected_at=None)
        session.execute(again)
    session.flush()


def missing(session: Session, spec: dict[str, Any]) -> str | None:
    """The id of something that `spec` names and that has been deleted; the rest stays until the commit."""
    for artifact, row_type in ROW_TYPES.items():
        for field in fields_referring_to(artifact):
            row = session.get(row_type, str(spec.get(field)), with_for_update=KEEP)
            if isinstance(row, UploadRow | CorpusRow | EncoderRow) and row.deleted_at is not None:
                return str(row.id)
    return None


KEEP = {"read": True, "key_share": True}
"""How to read the row of something that a new job is to use, so that nobody deletes it meanwhile."""


def _jobs_that_need(session: Session, row: UploadRow | CorpusRow | EncoderRow | CheckpointRow) -> list[str]:
    if isinstance(row, CheckpointRow):
        return _unfinished_heirs(session, row.job_id)
    fields = fields_referring_to(Artifact(row.__tablename__))
    names_it = or_(*(JobRow.spec[field].as_string() == row.id for field in fields))
    these = select(JobRow.id).where(JobRow.owner == row.owner, _unfinished(), names_it)
    return list(session.scalars(these.order_by(JobRow.id)))


def _unfinished_heirs(session: Session, job_id: str) -> list[str]:
    """The jobs that have not ended among a job, its retries, and theirs: they go on from its checkpoints."""
    heirs: list[str] = []
    generation: Sequence[str] = [job_id]
    while generation:
        these = select(JobRow.id).where(JobRow.id.in_(generation), _unfinished())
        heirs += session.scalars(these.order_by(JobRow.id))
        generation = session.scalars(select(JobRow.id).where(JobRow.retry_of.in_(generation))).all()
    return heirs


def _unfinished() -> ColumnElement[bool]:
    return JobRow.state.not_in(sorted(state.value for state in FINAL))
