"""Checkpoint folders as the service sees them: is one whole, which to go on from, which are of no more use.

A folder is whole when its `manifest.json` lists every file with its size and sha256 and all of them hold.
"""

import contextlib
import hashlib
import json
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import CheckpointError
from core.jobs.artifacts import ArtifactStore
from core.jobs.tables import CheckpointRow


class Resume(NamedTuple):
    """The checkpoint to go on from, if any, and what to say about those that were passed over."""

    row: CheckpointRow | None
    remarks: tuple[str, ...]


def verify(folder: Path) -> dict[str, Any]:
    """Return the manifest of a checkpoint folder, having read and compared every file.

    Raises:
        CheckpointError: a file is missing, has another size or another digest.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
        files: dict[str, dict[str, Any]] = manifest["files"]
        for name, promised in files.items():
            _compare(folder / name, promised)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"Checkpoint {folder.name} is damaged: {error!r}.") from error
    return manifest


def size_of(manifest: dict[str, Any]) -> int:
    """Bytes of all files of a checkpoint."""
    return sum(int(file["bytes"]) for file in manifest["files"].values())


def choose(rows: Sequence[CheckpointRow], store: ArtifactStore) -> Resume:
    """Pick the newest whole checkpoint of `rows`, which come newest first."""
    remarks = []
    for row in rows:
        try:
            verify(store.local_path(row.location))
        except CheckpointError as error:
            remarks.append(f"Cannot go on from step {row.step}: {error}")
        else:
            return Resume(row, (*remarks, f"Going on from the checkpoint of step {row.step}."))
    if remarks:
        remarks.append("No checkpoint is whole; starting from the beginning.")
    return Resume(None, tuple(remarks))


def unrecorded(job_folder: Path, known: Set[str], store: ArtifactStore) -> list[tuple[Path, dict[str, Any]]]:
    """Whole checkpoints of a job, with their manifests, whose locations are not `known`.

    They were saved while nobody could write their row: the database was away, or their holder was killed.
    """
    found = []
    for folder in sorted(job_folder.glob("attempt_*/checkpoints/step_*")):
        if store.location_of(folder) not in known:
            with contextlib.suppress(CheckpointError):
                found.append((folder, verify(folder)))
    return found


def vanished(rows: Sequence[CheckpointRow], store: ArtifactStore) -> list[CheckpointRow]:
    """Rows whose folder is gone: a program deletes its own old checkpoints."""
    return [row for row in rows if not store.local_path(row.location).is_dir()]


def outdated(rows: Sequence[CheckpointRow], *, attempt: int, keep: int = 2) -> list[CheckpointRow]:
    """Rows of earlier attempts that nobody will go on from, once `attempt` has `keep` newer ones."""
    own = [row for row in rows if row.attempt == attempt]
    if len(own) < keep:
        return []
    oldest_own = min(row.step for row in own)
    return [row for row in rows if row.attempt < attempt and row.step <= oldest_own]


def _compare(path: Path, promised: dict[str, Any]) -> None:
    size = path.stat().st_size
    if size != promised["bytes"]:
        raise CheckpointError(f"{path.name} has {size} bytes, the manifest says {promised['bytes']}.")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != promised["sha256"]:
        raise CheckpointError(f"{path.name} does not have the digest that the manifest says.")
