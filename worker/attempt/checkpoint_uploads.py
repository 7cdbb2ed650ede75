"""Background uploads of checkpoints to the artifact store while the program runs."""

import shutil
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import CheckpointError
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.manifests import verify


class CheckpointUpload(NamedTuple):
    """A checkpoint that is being uploaded or is uploaded."""

    step: int
    location: str
    manifest: dict[str, Any]
    future: "Future[None]"


class CheckpointUploads:
    """Uploads one checkpoint at a time. A newer checkpoint replaces one that is still waiting."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._running: list[CheckpointUpload] = []
        self._deletions: list[Future[None]] = []

    def send(self, folder: Path, step: int) -> str | None:
        """Verify a checkpoint and start its upload. Returns a message if it cannot be kept."""
        try:
            manifest = verify(folder)
        except CheckpointError as error:  # the program may already have replaced it by a newer one
            return f"The checkpoint of step {step} is not kept: {error}" if folder.is_dir() else None
        for waiting in self._running:
            waiting.future.cancel()
        future = self._store.commit_checkpoint(folder)
        self._running.append(CheckpointUpload(step, self._store.location_of(folder), manifest, future))
        return None

    def collect(self) -> tuple[list[CheckpointUpload], list[str]]:
        """Uploads that finished since the last call, and messages about those that failed."""
        ended = [upload for upload in self._running if upload.future.done()]
        self._running = [upload for upload in self._running if not upload.future.done()]
        arrived = [upload for upload in ended if _failure(upload) is None]
        for upload in ended:
            if _failure(upload) is not None:  # it will have no row
                shutil.rmtree(self._store.local_path(upload.location), ignore_errors=True)
        return arrived, [failure for upload in ended if (failure := _failure(upload)) is not None]

    def delete(self, locations: Sequence[str]) -> None:
        """Remove checkpoints whose rows are marked as deleted, in the background."""
        if not locations:
            return
        self._deletions = [deletion for deletion in self._deletions if not deletion.done()]
        self._deletions.append(self._store.delete_later(locations))

    @property
    def busy(self) -> bool:
        """Whether an upload or a deletion is running."""
        return not all(future.done() for future in (*(d.future for d in self._running), *self._deletions))


def _failure(upload: CheckpointUpload) -> str | None:
    if upload.future.cancelled():
        return (
            f"The checkpoint of step {upload.step} is skipped: uploads take longer than the time between "
            "checkpoints."
        )
    if (error := upload.future.exception()) is not None:
        return f"The checkpoint of step {upload.step} is not stored; the run continues: {error}"
    return None
