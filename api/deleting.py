"""Answering a DELETE: the row first, then the files."""

import logging
from pathlib import PurePosixPath

from sqlalchemy.orm import Session

from api.service import Service
from core.errors import StorageError
from core.jobs.artifact_tables import UploadRow
from core.jobs.deletions import DeletableT, delete

_log = logging.getLogger("signforge.api")


def delete_row(session: Session, row: DeletableT) -> str:
    """Mark `row` as deleted and return the location of what is to be removed after the commit."""
    delete(session, row)
    if isinstance(row, UploadRow):
        return str(PurePosixPath(row.location).parent)  # the folder made for the file
    return row.location


def remove_files(service: Service, location: str) -> None:
    """Remove files that nothing refers to any more; those that resist do no harm, and are logged."""
    try:
        service.store.delete(location)
    except StorageError as error:
        _log.warning("%s", error)
