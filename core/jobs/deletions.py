"""Deleting uploads, corpora, encoders and checkpoints.

A deleted row stays, marked, because jobs, encoders and evaluations refer to it. Its files are removed after
the commit. What an unfinished job needs cannot be deleted. To exclude races, a deletion locks the row, and a
submission locks the rows that its job needs.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from core.errors import InUse
from core.jobs.database import now
from core.jobs.job_kind import Artifact
from core.jobs.kinds import KINDS, fields_referring_to
from core.jobs.references import references_of
from core.jobs.states import FINAL
from core.jobs.tables.artifacts import ROW_TYPES, CheckpointRow, CorpusRow, EncoderRow, UploadRow
from core.jobs.tables.jobs import JobRow

DeletableT = TypeVar("DeletableT", UploadRow, CorpusRow, EncoderRow, CheckpointRow)
_MAX_JOBS_LISTED = 20


def delete(session: Session, row: DeletableT) -> None:
    """Mark `row` as deleted. Idempotent. The caller removes the files.

    Raises:
        InUse: unfinished jobs need it.
    """
    session.refresh(row, with_for_update=True)
    if row.deleted_at is not None:
        return
    if users := _jobs_that_need(session, row):
        listed = ", ".join(users[:_MAX_JOBS_LISTED])
        raise InUse(
            f"{row.id} is needed by {listed}. Wait until they have ended, or cancel them.", job_ids=users
        )
    row.deleted_at = now(session)
    if isinstance(row, CheckpointRow):  # garbage collection removes its files if the caller cannot
        again = update(JobRow).where(JobRow.id == row.job_id).values(collected_at=None)
        session.execute(again)
    session.flush()


def missing(session: Session, spec: dict[str, Any]) -> str | None:
    """The id of a deleted row that `spec` refers to, or None. The other rows are locked until the commit."""
    for referred in references_of(KINDS[spec["kind"]], spec):
        row = session.get(ROW_TYPES[referred.reference.to], referred.named, with_for_update=SHARE_LOCK)
        if isinstance(row, UploadRow | CorpusRow | EncoderRow) and row.deleted_at is not None:
            return str(row.id)
    return None


SHARE_LOCK = {"read": True, "key_share": True}
"""The row lock for things that a new job uses, so that they are not deleted before it is committed."""


def _jobs_that_need(session: Session, row: UploadRow | CorpusRow | EncoderRow | CheckpointRow) -> list[str]:
    if isinstance(row, CheckpointRow):
        return _unfinished_descendants(session, row.job_id)
    fields = fields_referring_to(Artifact(row.__tablename__))
    names_it = [_names(field, row.id, is_list=is_list) for field, is_list in fields.items()]
    these = select(JobRow.id).where(JobRow.owner == row.owner, _unfinished(), or_(*names_it))
    return list(session.scalars(these.order_by(JobRow.id)))


def _names(field: str, row_id: str, *, is_list: bool) -> ColumnElement[bool]:
    """Whether a field of a specification names the row; of a list, whether its JSON has the id somewhere."""
    value = JobRow.spec[field].as_string()
    return value.contains(row_id, autoescape=True) if is_list else value == row_id


def _unfinished_descendants(session: Session, job_id: str) -> list[str]:
    """Unfinished jobs among a job, its retries and their retries, which resume from its checkpoints."""
    unfinished: list[str] = []
    generation: Sequence[str] = [job_id]
    while generation:
        these = select(JobRow.id).where(JobRow.id.in_(generation), _unfinished())
        unfinished += session.scalars(these.order_by(JobRow.id))
        generation = session.scalars(select(JobRow.id).where(JobRow.retry_of.in_(generation))).all()
    return unfinished


def _unfinished() -> ColumnElement[bool]:
    return JobRow.state.not_in(sorted(state.value for state in FINAL))
