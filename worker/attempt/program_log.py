"""Transfer of a program's log (standard error) from its file to the database.

Only the program writes the file (`jobs/<job>/attempt_<n>/program.log`). So if a supervisor is killed, the
next attempt can still store the rest of its log.
"""

import os
from pathlib import Path

from sqlalchemy.orm import Session

from core.jobs.ledger.fence import Lease
from core.jobs.ledger.job_logs import append_log, stored_until
from core.jobs.ledger.log_text import complete
from core.jobs.storage.artifacts import ArtifactStore

NAME = "program.log"
_MAX_REPORT_BYTES = 2**20
"""Bytes per report. The stored log of a program that writes more per second lags behind."""


class ProgramLog:
    """The log of the current attempt. Of a backlog only the newest `max_bytes` are stored."""

    def __init__(self, file: Path, attempt: int, max_bytes: int) -> None:
        self._file, self._attempt, self._max_bytes = file, attempt, max_bytes
        self._stored = self._reached = 0

    @property
    def has_grown(self) -> bool:
        """Whether there are new bytes to store."""
        return _size(self._file) > self._stored

    def write(self, session: Session, lease: Lease, *, to_the_end: bool = False) -> None:
        """Store the new bytes in the caller's transaction. Call `written` after its commit."""
        start = max(self._stored, _size(self._file) - self._max_bytes)
        raw = _read(self._file, start, self._max_bytes if to_the_end else _MAX_REPORT_BYTES)
        if not to_the_end:
            raw = complete(raw)
        if raw:
            append_log(
                session,
                lease,
                raw,
                attempt=self._attempt,
                offset=start,
                max_bytes_per_job=self._max_bytes,
            )
        self._reached = start + len(raw)

    def written(self) -> None:
        """Mark the bytes of the last `write` as committed."""
        self._stored = self._reached


def store_rest(session: Session, lease: Lease, store: ArtifactStore, *, before: int, max_bytes: int) -> None:
    """Store the rest of the logs of attempts below number `before`, in the caller's transaction.

    Their programs must have ended.

    Raises:
        LeaseLost: the lease no longer holds, and there was something to store.
    """
    for attempt in range(1, before):
        file = store.attempt_folder(lease.job_id, attempt) / NAME
        start = max(stored_until(session, lease.job_id, attempt), _size(file) - max_bytes)
        if raw := _read(file, start, max_bytes):
            append_log(session, lease, raw, attempt=attempt, offset=start, max_bytes_per_job=max_bytes)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _read(file: Path, start: int, most: int) -> bytes:
    try:
        with file.open("rb") as stream:
            stream.seek(start, os.SEEK_SET)
            return stream.read(most)
    except OSError:
        return b""
