"""Checkpoints as the service sees them: which to go on from, which nobody has a row for, which may go."""

import contextlib
from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from core.errors import ArtifactError, CheckpointError
from core.jobs.artifacts import ArtifactStore
from core.jobs.manifests import files_of, verify
from core.jobs.tables import CheckpointRow


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


def vanished(rows: Sequence[CheckpointRow], store: ArtifactStore) -> list[CheckpointRow]:
    """Rows whose folder is gone: a program deletes its own old checkpoints."""
    return [row for row in rows if store.is_gone(row.location)]


def outdated(
    rows: Sequence[CheckpointRow], store: ArtifactStore, *, attempt: int, keep: int = 2
) -> list[CheckpointRow]:
    """Rows, of those given newest first, that nobody will go on from once `attempt` has `keep` newer ones.

    Those of earlier attempts, and of its own those whose local folder its program has deleted.
    """
    own = [row for row in rows if row.attempt == attempt]
    if len(own) < keep:
        return []
    oldest_own = min(row.step for row in own)
    earlier = [row for row in rows if row.attempt < attempt and row.step <= oldest_own]
    return [row for row in own[keep:] if not store.local_path(row.location).is_dir()] + earlier
