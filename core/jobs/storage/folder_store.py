"""Artifact store in a local or shared folder, which is also the working folder. A commit is a rename."""

import logging
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from core.errors import ArtifactError, StorageError
from core.jobs.storage.artifacts import ArtifactStore, naming_a_full_disk
from core.jobs.storage.clearing import Entry, Freed, clear, entries_in
from core.jobs.storage.manifests import FileDigest, verify

_PIECE_BYTES = 1 << 20
_log = logging.getLogger(__name__)


class FolderStore(ArtifactStore):
    """A folder that all hosts of the service share. On a single host, any folder."""

    def commit(self, source: Path, location: str) -> None:
        """Rename a finished file or folder to its location and sync, to survive a power failure."""
        target = self.local_path(location)
        if source == target:
            return
        with naming_a_full_disk():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            source.rename(target)
            for folder in (target.parent, target.parent.parent):
                sync_folder(folder)

    def commit_checkpoint(self, folder: Path) -> "Future[None]":
        """Do nothing: the program made the checkpoint complete and durable before it reported it."""
        return _done()

    def fetch_file(self, location: str, promised: FileDigest) -> Path:
        """The local path, if it exists. The reader verifies the content."""
        return self._existing(location)

    def fetch_folder(self, location: str, promised: Mapping[str, FileDigest] | None = None) -> Path:
        """The local path, if it exists. The reader verifies the content."""
        return self._existing(location)

    def size_of(self, location: str) -> int:
        """Size of a file in bytes."""
        return self._existing(location).stat().st_size

    def read(self, location: str, start: int, stop: int) -> Iterator[bytes]:
        """Yield a file's bytes from `start` up to `stop`, in pieces."""
        with self.local_path(location).open("rb") as file:
            file.seek(start)
            while start < stop:
                piece = file.read(min(_PIECE_BYTES, stop - start))
                if not piece:
                    return
                start += len(piece)
                yield piece

    def signed_url(self, location: str) -> None:
        """None: the API sends the file itself."""

    def delete(self, location: str) -> None:
        """Remove a folder, if it exists.

        Raises:
            StorageError: it cannot be removed, or holds more than one artifact.
        """
        path = self.deletable_path(location)
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StorageError(f"Cannot remove {path}: {error.strerror}. Delete it by hand.") from error

    def delete_later(self, locations: Sequence[str]) -> "Future[None]":
        """Remove folders at once. What cannot be removed is left as garbage."""
        for location in locations:
            try:
                self.delete(location)
            except StorageError as error:
                _log.warning("%s", error)
        return _done()

    def entries(self, folder: str) -> Sequence[Entry]:
        """List the entries directly below `uploads`, `corpora` or `encoders`."""
        return [Entry(self.location_of(path), at) for path, at in entries_in(self.local_path(folder))]

    def clear(self, location: str, *, keep: Collection[str] = ()) -> Freed:
        """Remove a file or folder except for the locations to `keep` in it."""
        return clear(self.deletable_path(location), {self.local_path(kept) for kept in keep})

    def is_gone(self, location: str) -> bool:
        """Whether the folder does not exist, since programs delete their own old checkpoints."""
        return not self.local_path(location).is_dir()

    def checkpoints_of(self, job_id: str) -> Sequence[str]:
        """Locations of the checkpoints of a job's attempts."""
        found = sorted(self.job_folder(job_id).glob("attempt_*/checkpoints/step_*"))
        return [self.location_of(folder) for folder in found]

    def checkpoint_manifest(self, location: str) -> dict[str, Any]:
        """The manifest, after verifying every file."""
        return verify(self.local_path(location))

    def forget(self, job_id: str) -> None:
        """Do nothing: there are no local copies."""

    def _existing(self, location: str) -> Path:
        path = self.local_path(location)
        if not path.exists():
            raise ArtifactError(f"There is nothing at {location} in the artifact folder.")
        return path


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that renames in it survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _done() -> "Future[None]":
    future: Future[None] = Future()
    future.set_result(None)
    return future
