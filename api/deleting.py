"""Deletion for DELETE requests: first mark the row, then remove the files."""

from concurrent.futures import wait
from pathlib import PurePosixPath

from sqlalchemy.orm import Session

from api.service import Service
from core.jobs.deletions import DeletableT, delete
from core.jobs.tables.artifacts import UploadRow

_PATIENCE_SECONDS = 2.0


def delete_row(session: Session, row: DeletableT) -> str:
    """Mark `row` as deleted. Returns the location of the files to remove after the commit."""
    delete(session, row)
    if isinstance(row, UploadRow):
        return str(PurePosixPath(row.location).parent)  # the folder made for the file
    return row.location


def remove_files(service: Service, location: str) -> None:
    """Remove files that no row refers to. Files that cannot be removed are logged and left.

    Waits at most 2 s, so that an object store that hangs does not block the threads that serve requests.
    """
    wait([service.store.delete_later([location])], timeout=_PATIENCE_SECONDS)
