"""Choice of the checkpoint to resume from, and recovery of complete checkpoints without a row."""

import contextlib
from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from core.errors import ArtifactError, CheckpointError
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.manifests import files_of, verify
from core.jobs.tables.artifacts import CheckpointRow


class Resume(NamedTuple):
    """The checkpoint to resume from, if any, and messages about the skipped ones."""

    row: CheckpointRow | None
    remarks: tuple[str, ...]


def choose(rows: Sequence[CheckpointRow], store: ArtifactStore) -> Resume:
    """Choose the newest complete checkpoint of `rows` (newest first) and fetch it to its local path.

    Raises:
        StorageError: the store does not respond, or the disk is full. Waiting is better than starting over.
    """
    remarks = []
    for row in rows:
        try:
            verify(store.fetch_folder(row.location, files_of(row.manifest)))
        except (ArtifactError, CheckpointError) as error:
            remarks.append(f"Cannot resume from step {row.step}: {error}")
        else:
            return Resume(row, (*remarks, f"Resuming from the checkpoint of step {row.step}."))
    if remarks:
        remarks.append("No checkpoint is complete; starting from the beginning.")
    return Resume(None, tuple(remarks))


def unrecorded(job_id: str, known: Set[str], store: ArtifactStore) -> list[tuple[str, dict[str, Any]]]:
    """Complete checkpoints of a job, with manifests, whose locations are not `known`.

    Their rows are missing because the database was unavailable or the holder was killed.
    """
    found = []
    for location in store.checkpoints_of(job_id):
        if location not in known:
            with contextlib.suppress(CheckpointError):
                found.append((location, store.checkpoint_manifest(location)))
    return found
