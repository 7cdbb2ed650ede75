"""Answering a DELETE: the row first, then the files."""

from concurrent.futures import wait
from pathlib import PurePosixPath

from sqlalchemy.orm import Session

from api.service import Service
from core.jobs.deletions import DeletableT, delete
from core.jobs.tables.artifacts import UploadRow

_PATIENCE_SECONDS = 2.0


def delete_row(session: Session, row: DeletableT) -> str:
    """Mark `row` as deleted and return the location of what is to be removed after the commit."""
    delete(session, row)
    if isinstance(row, UploadRow):
        return str(PurePosixPath(row.location).parent)  # the folder made for the file
    return row.location


def remove_files(service: Service, location: str) -> None:
    """Remove files that nothing refers to any more; those that resist do no harm, and are logged.

    An object storage that hangs is not waited for: it must not take the threads that answer requests.
    """
    wait([service.store.delete_later([location])], timeout=_PATIENCE_SECONDS)
