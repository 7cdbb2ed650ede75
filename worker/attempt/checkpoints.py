"""Checkpoints as the service sees them: which to go on from, which nobody has a row for, which may go."""

import contextlib
from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from core.errors import ArtifactError, CheckpointError
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.manifests import files_of, verify
from core.jobs.tables.artifacts import CheckpointRow


class Resume(NamedTuple):
    """The checkpoint to go on from, if any, and what to say about those that were passed over."""

    row: CheckpointRow | None
    remarks: tuple[str, ...]


def choose(rows: Sequence[CheckpointRow], store: ArtifactStore) -> Resume:
    """Pick the newest whole checkpoint of `rows`, which come newest first, and have it at its local path.

    Raises:
        StorageError: the store does not answer, or there is no room: better to wait than to begin anew.
    """
    remarks = []
    for row in rows:
        try:
            verify(store.fetch_folder(row.location, files_of(row.manifest)))
        except (ArtifactError, CheckpointError) as error:
            remarks.append(f"Cannot go on from step {row.step}: {error}")
        else:
            return Resume(row, (*remarks, f"Going on from the checkpoint of step {row.step}."))
    if remarks:
        remarks.append("No checkpoint is whole; starting from the beginning.")
    return Resume(None, tuple(remarks))


def unrecorded(job_id: str, known: Set[str], store: ArtifactStore) -> list[tuple[str, dict[str, Any]]]:
    """Whole checkpoints of a job, with their manifests, whose locations are not `known`.

    They were saved while nobody could write their row: the database was away, or their holder was killed.
    """
    found = []
    for location in store.checkpoints_of(job_id):
        if location not in known:
            with contextlib.suppress(CheckpointError):
                found.append((location, store.checkpoint_manifest(location)))
    return found
