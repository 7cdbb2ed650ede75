"""Row look-up limited to the caller's own rows. Rows of other owners answer 404."""

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.known_keys import Caller
from api.problems import not_found
from core.jobs.tables.access import WebhookRow
from core.jobs.tables.artifacts import CheckpointRow, CorpusRow, EncoderRow, EvaluationRow, UploadRow
from core.jobs.tables.jobs import JobRow

OwnedT = TypeVar("OwnedT", JobRow, CorpusRow, EncoderRow, EvaluationRow, UploadRow, WebhookRow)


def owned(
    session: Session,
    row_type: type[OwnedT],
    identifier: str,
    caller: Caller,
    *,
    noun: str,
    also_deleted: bool = False,
) -> OwnedT:
    """Return the caller's row of that id.

    Raises:
        Problem: there is none, it is deleted, or it belongs to another owner (404 in each case).
    """
    row = session.get(row_type, identifier)
    if row is None or row.owner != caller.owner or (_is_deleted(row) and not also_deleted):
        raise not_found(noun, identifier, named=_ids_of_name(session, row_type, identifier, caller))
    return row


def _ids_of_name(session: Session, row_type: type[OwnedT], name: str, caller: Caller) -> tuple[str, ...]:
    """Return the id of the caller's newest corpus or encoder of this name, if there is one."""
    if row_type is CorpusRow:
        found = select(CorpusRow.id).where(CorpusRow.owner == caller.owner, CorpusRow.name == name)
        found = found.where(CorpusRow.deleted_at.is_(None)).order_by(CorpusRow.created_at.desc())
    elif row_type is EncoderRow:
        found = select(EncoderRow.id).where(EncoderRow.owner == caller.owner, EncoderRow.name == name)
        found = found.where(EncoderRow.deleted_at.is_(None)).order_by(EncoderRow.created_at.desc())
    else:
        return ()
    return tuple(session.scalars(found.limit(1)))


def owned_checkpoint(
    session: Session, identifier: str, caller: Caller, *, also_deleted: bool = False
) -> CheckpointRow:
    """Return a checkpoint of one of the caller's jobs.

    Raises:
        Problem: there is none, or it is deleted (404).
    """
    query = select(CheckpointRow).join(JobRow, JobRow.id == CheckpointRow.job_id)
    row = session.scalars(
        query.where(CheckpointRow.id == identifier, JobRow.owner == caller.owner)
    ).one_or_none()
    if row is None or (_is_deleted(row) and not also_deleted):
        raise not_found("checkpoint", identifier)
    return row


def _is_deleted(row: object) -> bool:
    return getattr(row, "deleted_at", None) is not None
