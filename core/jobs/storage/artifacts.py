"""Artifacts: uploads, corpora, encoders and checkpoints, and the store that keeps them.

The database holds locations: paths relative to the store, with forward slashes. A program of the science
knows local paths only, so each store has a local folder as well, in which every location has its path: there
attempts write, and there lies what was fetched.
"""

import hashlib
import os
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from core.errors import StorageError, TooLarge, is_disk_full
from core.jobs.storage.clearing import Entry, Freed
from core.jobs.storage.manifests import FileDigest

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 150


class Received(NamedTuple):
    """A file that has arrived whole and is in the store."""

    location: str
    size_bytes: int
    sha256: str


class ArtifactStore(ABC):
    """Keeps artifacts under locations. What is not committed, nobody but its writer ever sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @abstractmethod
    def commit(self, source: Path, location: str) -> None:
        """Put a finished local file or folder in its place for good; a folder's manifest goes last.

        A folder lies at its local path afterwards; an orphan already there is replaced.

        Raises:
            StorageError: the disk is full, or the store does not answer.
        """

    @abstractmethod
    def commit_checkpoint(self, folder: Path) -> "Future[None]":
        """Put a checkpoint that its program wrote at its local path into the store, beside the caller.

        The program may delete it meanwhile. The future can be cancelled while its turn has not come; its
        exception is a `StorageError`.
        """

    @abstractmethod
    def fetch_file(self, location: str, promised: FileDigest) -> Path:
        """Have a file at its local path, whole, and return that.

        Raises:
            ArtifactError: it is not there, or not as `promised`.
            StorageError: the disk is full, or the store does not answer.
        """

    @abstractmethod
    def fetch_folder(self, location: str, promised: Mapping[str, FileDigest] | None = None) -> Path:
        """The same for a folder; `promised` are the files of which the caller knows better than the store."""

    @abstractmethod
    def size_of(self, location: str) -> int:
        """Bytes of a file.

        Raises:
            ArtifactError: it is not there.
            StorageError: the store does not answer.
        """

    @abstractmethod
    def read(self, location: str, start: int, stop: int) -> Iterator[bytes]:
        """Yield a file's bytes from `start` up to `stop`, a piece at a time."""

    @abstractmethod
    def signed_url(self, location: str) -> str | None:
        """A URL under which anybody may read a file for a while; None where it is to be sent by us."""

    @abstractmethod
    def delete(self, location: str) -> None:
        """Remove a folder and everything in it, also its local copy; one that is not there is no fault."""

    @abstractmethod
    def delete_later(self, locations: Sequence[str]) -> "Future[None]":
        """Remove folders beside the caller."""

    @abstractmethod
    def entries(self, folder: str) -> Sequence[Entry]:
        """What lies directly below `uploads`, `corpora` or `encoders`, here or in the store.

        Raises:
            StorageError: the store does not answer.
        """

    @abstractmethod
    def clear(self, location: str, *, keep: Collection[str] = ()) -> Freed:
        """Remove a file or folder but for the locations to `keep` in it; what resists stays, and is told of.

        Raises:
            StorageError: the store does not answer, or `location` is more than one artifact's.
        """

    @abstractmethod
    def is_gone(self, location: str) -> bool:
        """Whether a folder has disappeared, as far as that can be told without a network."""

    @abstractmethod
    def checkpoints_of(self, job_id: str) -> Sequence[str]:
        """Where checkpoints of a job's attempts lie in the store, whether whole or not."""

    @abstractmethod
    def checkpoint_manifest(self, location: str) -> dict[str, Any]:
        """The manifest of a checkpoint whose files are all there.

        Raises:
            CheckpointError: they are not.
            StorageError: the store does not answer.
        """

    @abstractmethod
    def forget(self, job_id: str) -> None:
        """Free the local room that checkpoints of a job that has ended take, if the store is elsewhere."""

    def check_writable(self) -> None:
        """Write, sync and remove something small.

        Raises:
            StorageError: the store or its local folder cannot be written.
        """
        probe = self.folder / f".probe-{uuid.uuid4().hex}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with probe.open("wb") as file:
                file.write(b"signforge")
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(
                f"The artifact folder {self.folder} cannot be written ({error.strerror}); "
                "free some space or change SIGNFORGE_ARTIFACTS."
            ) from error
        finally:
            with suppress(OSError):
                probe.unlink()

    def receive(self, stream: Iterable[bytes], max_bytes: int, *, filename: str = "upload") -> Received:
        """Keep `stream` as a new file below `uploads/`, counted and hashed; all of it or nothing.

        Raises:
            TooLarge: more than `max_bytes` arrived.
            StorageError: the disk is full, or the store does not answer.
        """
        with self.receiving(max_bytes, filename=filename) as receiver:
            for chunk in stream:
                receiver.write(chunk)
            return receiver.finish()

    def receiving(self, max_bytes: int, *, filename: str = "upload") -> "Receiver":
        """The same piece by piece, for a caller that has to await its chunks: a context manager."""
        return Receiver(self, filename=filename, max_bytes=max_bytes)

    def corpus_folder(self, corpus_id: str) -> Path:
        """Where a packed corpus lies."""
        return self.folder / "corpora" / corpus_id

    def encoder_folder(self, encoder_id: str) -> Path:
        """Where an encoder (`encoder.safetensors`, `card.json`) lies."""
        return self.folder / "encoders" / encoder_id

    def job_folder(self, job_id: str) -> Path:
        """Where all attempts at a job write."""
        return self.folder / "jobs" / job_id

    def attempt_folder(self, job_id: str, attempt: int) -> Path:
        """Where one attempt at a job writes."""
        return self.job_folder(job_id) / f"attempt_{attempt}"

    def local_path(self, location: str) -> Path:
        """The path of a location.

        Raises:
            StorageError: the location points outside the artifact folder.
        """
        path = Path(os.path.normpath(self.folder / location))
        if not path.is_relative_to(self.folder):
            raise StorageError(f"Location {location!r} is outside the artifact folder {self.folder}.")
        return path

    def deletable_path(self, location: str) -> Path:
        """The path of a location that is one artifact's.

        Raises:
            StorageError: it is no folder below `uploads`, `corpora` and the like, but one of these, or all.
        """
        path = self.local_path(location)
        if path.parent in (self.folder, self.folder.parent):
            raise StorageError(f"Location {location!r} holds more than one artifact; it is not removed.")
        return path

    def location_of(self, path: Path) -> str:
        """The location to store for a path below the artifact folder."""
        return path.absolute().relative_to(self.folder).as_posix()


class Receiver:
    """A file that is arriving: `write` its bytes, then `finish`; leaving without `finish` removes it."""

    def __init__(self, store: ArtifactStore, *, filename: str, max_bytes: int) -> None:
        self._store = store
        self._staging = store.folder / "uploads" / f".arriving-{uuid.uuid4().hex}"
        self._location = f"uploads/{uuid.uuid4().hex}/{_safe(filename)}"
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        with naming_a_full_disk():
            self._staging.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._staging.open("wb")

    def write(self, chunk: bytes) -> None:
        """Append `chunk`.

        Raises:
            TooLarge: that makes more than `max_bytes`.
            StorageError: the disk is full.
        """
        self._size_bytes += len(chunk)
        if self._size_bytes > self._max_bytes:
            raise TooLarge(
                f"The upload is larger than {self._max_bytes} bytes; raise SIGNFORGE_MAX_UPLOAD_BYTES."
            )
        with naming_a_full_disk():
            self._file.write(chunk)
        self._digest.update(chunk)

    def finish(self) -> Received:
        """Put the file into the store, for good.

        Raises:
            StorageError: the disk is full, or the store does not answer.
        """
        with naming_a_full_disk():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        self._store.commit(self._staging, self._location)
        return Received(self._location, self._size_bytes, self._digest.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with naming_a_full_disk():
            try:
                self._file.close()
            finally:  # closing writes what is left, which may fail again
                self._staging.unlink(missing_ok=True)


@contextmanager
def naming_a_full_disk() -> Iterator[None]:
    """Turn what the system says when a disk is full into a `StorageError`."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise StorageError(
                "The disk of the artifact folder is full; free some space, then retry."
            ) from error
        raise


def _safe(filename: str) -> str:
    """The last part of a name a stranger gave, with its suffix, in harmless characters."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return _UNSAFE.sub("_", last).lstrip(".")[-_LONGEST_NAME:] or "upload"
